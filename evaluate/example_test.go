package evaluate_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"smt/dataset"
	"smt/demo"
	"smt/device/cpu"
	"smt/evaluate"
	"smt/model"
	"smt/tokenizer"
)

// Example measures a model in memory, the demo's: the loss of its responses on held-out rows, and how far that is from
// another measurement of the same rows.
func Example() {
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	files, err := demo.Extract(dir)
	if err != nil {
		log.Fatal(err)
	}
	base, err := model.Open(files.Model)
	if err != nil {
		log.Fatal(err)
	}
	defer base.Close()
	decoder, err := model.New(cpu.New(), base) // an adapter may be put on its linears here
	if err != nil {
		log.Fatal(err)
	}
	tok, err := tokenizer.Load(files.Model)
	if err != nil {
		log.Fatal(err)
	}
	rows, err := dataset.Load([]string{files.HeldOut}, dataset.ReadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	rows = rows[:20]

	template, err := dataset.NewTemplate("", rows[0].Format, dataset.TemplateOptions{})
	if err != nil {
		log.Fatal(err)
	}
	e := evaluate.Evaluator{Decoder: decoder, Tokenizer: tok, Template: template}
	loss, before, err := e.ResponseLoss(context.Background(), rows, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(loss.Rows, "rows,", len(before), "records")

	// Training would change the decoder here.
	_, after, err := e.ResponseLoss(context.Background(), rows, 0)
	if err != nil {
		log.Fatal(err)
	}
	d, err := evaluate.CompareRecords(evaluate.MeasureLoss, before, after)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("difference %.1f ± %.1f nats per token\n", d.Difference, d.StandardError)
	// Output:
	// 20 rows, 20 records
	// difference 0.0 ± 0.0 nats per token
}
