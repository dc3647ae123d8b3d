// Package evaluate measures a model: the loss of its responses, and how well it answers the question-answering, translation
// and programming tasks by which adapters are compared in the literature, under the protocols that the literature uses.
//
// An [Evaluator] takes a decoder as it lies in memory, with or without an adapter on its linears, and rows:
//
//	task, err := evaluate.NewTask("boolq", "", rows)
//	e := evaluate.Evaluator{Decoder: decoder, Tokenizer: tokenizer}
//	result, records, err := e.Evaluate(ctx, task, evaluate.Likelihood, rows)
//	loss, records, err := e.ResponseLoss(ctx, heldOut, 512)
//
// There is a [Record] for each row, in the order of the rows. Two models that were asked the same rows are compared row by
// row with [Compare], whose standard error is that of the paired difference and far smaller than that of the two results.
// docs/evaluation.md states every task, protocol and measure with its formula and source.
package evaluate
