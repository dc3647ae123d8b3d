package optest

import "math"

// testCrossEntropy tries vocabularies from 1 to large, losses alone and with gradients, and logits so large that exp
// overflows: those are exact in float32 and lie close together, so the softmax is far from one-hot, and an answer that
// does not take the largest out first, or keeps only log Σ exp, shows.
func testCrossEntropy(s *series) {
	type size struct{ n, vocabulary int }
	sizes := []size{{3, 32003}, {0, 10}, {1, 50257}, {70, 200}}
	for i, n := range ragged {
		sizes = append(sizes, size{n, ragged[(5*i+3)%len(ragged)]}, size{ragged[(7*i+11)%len(ragged)], n})
	}
	for i, z := range sizes {
		for _, offset := range []float64{0, 10000, -10000, -3e38} {
			scale := []float64{0, 1, 1.0 / 37, -2}[i%4]
			tr := s.trial("[%d, %d] scale=%g logits about %g", z.n, z.vocabulary, scale, offset)
			logits := tr.float("logits", z.n, z.vocabulary, math.NaN(), func(_, j int) float64 {
				switch offset {
				case 0:
					return 3 * tr.rng.NormFloat64()
				case -3e38:
					// Tokens that are masked out, and at least one that is not.
					if j%7 != 0 {
						return offset
					}
					return tr.rng.NormFloat64()
				}
				return offset + float64(tr.rng.IntN(64))/8
			})
			loss := tr.result("loss", z.n, 1)
			targets := tr.rows(z.n, z.vocabulary)
			if offset == -3e38 {
				for i := range targets {
					targets[i] = targets[i] / 7 * 7
				}
			}
			tr.dev.CrossEntropy(loss.Tensor, logits.Tensor, tr.index(targets), scale)
			wantLoss, wantGradient := literalCrossEntropy(logits.host, targets, scale)
			// With a vocabulary of one the loss is 0: the error is then that of numbers about 1.
			tr.near(loss, wantLoss, 1)
			if scale != 0 {
				tr.near(logits, wantGradient, math.Abs(scale)/float64(z.vocabulary))
			}
			tr.done()
		}
	}
}

func literalCrossEntropy(logits matrix, targets []int32, scale float64) (loss, gradient matrix) {
	loss = build(logits.rows, 1, func(int, int) float64 { return 0 })
	gradient = logits.clone()
	for i, target := range targets {
		largest := math.Inf(-1)
		for j := range logits.cols {
			largest = math.Max(largest, logits.at(i, j))
		}
		var sum float64
		for j := range logits.cols {
			sum += math.Exp(logits.at(i, j) - largest)
		}
		loss.set(i, 0, math.Log(sum)+largest-logits.at(i, int(target)))
		for j := range logits.cols {
			softmax := math.Exp(logits.at(i, j)-largest) / sum
			if j == int(target) {
				softmax--
			}
			gradient.set(i, j, scale*softmax)
		}
	}
	return loss, gradient
}
