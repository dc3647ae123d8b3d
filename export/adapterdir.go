package export

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"smt/durable"
	"smt/format/safetensors"
	"smt/hub"
)

// writeAdapterDir makes the directory of an adapter of any kind.
func writeAdapterDir(dir string, config any, card, chatTemplate string, tensors []safetensors.Output) error {
	_, err := os.Stat(filepath.Join(dir, configName))
	isAdapter := err == nil
	d, err := durable.NewDir(dir, isAdapter)
	if err != nil {
		return err
	}
	defer d.Discard()
	err = d.WriteFile(configName, func(w io.Writer) error {
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(config)
	})
	if err != nil {
		return err
	}
	err = d.WriteFile(cardName, func(w io.Writer) error {
		_, err := io.WriteString(w, card)
		return err
	})
	if err != nil {
		return err
	}
	if err := writeChatTemplate(d, chatTemplate); err != nil {
		return err
	}
	// PEFT looks for the entry "format" before it loads a file.
	if err := safetensors.Write(d.Join(weightsName), tensors, map[string]string{"format": "pt"}); err != nil {
		return err
	}
	return d.Commit()
}

// card is the README.md of an SMT adapter, with the header that model hubs read.
func (a *Adapter) card() string {
	blocks := make(map[string]int)
	var names []string
	for _, m := range a.Matrices {
		target := targetModules([]string{m.Name})[0]
		blocks[target] += len(m.Blocks)
		names = append(names, m.Name)
	}
	var text strings.Builder
	writeCardHeader(&text, a.BaseModel, "smt")
	fmt.Fprintf(&text, "# Adapter of Sparse Matrix Tuning\n\n")
	fmt.Fprintf(&text, "Adds %d blocks of %d × %d, %d parameters in %d matrices, to the weights of its base model.\n\n",
		a.NumBlocks(), a.BlockSize, a.BlockSize, a.Parameters(), len(a.Matrices))
	fmt.Fprintf(&text, "| base model | `%s` |\n|---|---|\n| SHA-256 of its weights | `%s` |\n| block score | `%s` |\n\n",
		a.BaseModel, a.BaseSHA256, a.Score)
	fmt.Fprintf(&text, "| module | blocks |\n|---|---|\n")
	for _, target := range targetModules(names) {
		fmt.Fprintf(&text, "| `%s` | %d |\n", target, blocks[target])
	}
	text.WriteString("\n`adapter_model.safetensors` holds, for each matrix, `smt_blocks` [n, b, b] and `smt_index` [n, 2],\n" +
		"the block row r and block column c of each block: block k is added to rows r·b to r·b+b and columns c·b to c·b+b of the matrix.\n" +
		"`smt merge` makes a complete model of base and adapter.\n")
	return text.String()
}

func (l *LowRank) card() string {
	method := "LoRA"
	if l.DoRA {
		method = "DoRA"
	}
	var text strings.Builder
	writeCardHeader(&text, l.BaseModel, "peft")
	fmt.Fprintf(&text, "# %s adapter\n\n", method)
	fmt.Fprintf(&text, "Rank %d, alpha %g, on %d matrices (%s) of `%s`, in the layout of PEFT.\n",
		l.Rank, l.Alpha, len(l.Matrices), strings.Join(slices.Sorted(slices.Values(l.TargetModules)), ", "), l.BaseModel)
	return text.String()
}

// writeCardHeader writes the YAML header, in which a base on the hub has no revision; the strings of JSON are strings of YAML too.
func writeCardHeader(text *strings.Builder, baseModel, library string) {
	base, _ := hub.SplitRevision(baseModel)
	name, err := json.Marshal(base)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	fmt.Fprintf(text, "---\nbase_model: %s\nlibrary_name: %s\n---\n\n", name, library)
}
