package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"smt/export"
	"smt/model/modeltest"
)

// run runs the program in this process.
func run(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(args, &o, &e)
	return code, o.String(), e.String()
}

// tiny writes a model with a tokenizer of letters, and a file of rows.
func tiny(t *testing.T) (modelDir, rows string) {
	t.Helper()
	c := modeltest.Llama()
	c["num_hidden_layers"] = 1
	modelDir = modeltest.WriteWithTokenizer(t, c, 31)
	rows = filepath.Join(t.TempDir(), "rows.jsonl")
	write(t, rows, strings.Repeat(`{"prompt": "say hello:", "completion": "hello there"}`+"\n", 12))
	return modelDir, rows
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestTrainMergeInfoEvalGenerate goes through the life of an adapter.
func TestTrainMergeInfoEvalGenerate(t *testing.T) {
	modelDir, rows := tiny(t)
	out := filepath.Join(t.TempDir(), "out")
	steps := [][]string{
		{"train", "--model_name_or_path", modelDir, "--dataset", rows, "--output_dir", out, "--block_size", "16", "--num_blocks", "3",
			"--max_steps", "4", "--max_seq_length", "64", "--save_steps", "2", "--merge"},
		{"info", out},
		{"info", modelDir},
		{"merge", "--model_name_or_path", modelDir, "--adapter", out + "/adapter", "--output_dir", out + "/merged"},
		{"eval", "--model_name_or_path", modelDir, "--adapter", out + "/adapter", "--task", "perplexity", "--dataset", rows},
		{"generate", "--model_name_or_path", modelDir, "--adapter", out + "/adapter", "--prompt", "say hello:", "--max_new_tokens", "3"},
		{"plan", "--model_name_or_path", modelDir},
		{"tokens", "--tokenizer", modelDir, "hello"},
		{"data", "check", rows},
		{"data", "show", "--model_name_or_path", modelDir, "--dataset", rows},
		{"bench", "step", "--config", modelDir, "--seq", "32", "--steps", "1", "--warmup", "1"},
	}
	for _, args := range steps {
		if code, _, errOut := run(t, args...); code != ExitOK {
			t.Fatalf("smt %s: exit %d: %s", strings.Join(args[:2], " "), code, errOut)
		}
	}
	for _, name := range []string{"selection.png", "loss.png", "selection.json", "adapter/adapter_config.json", "model/model.safetensors"} {
		if _, err := os.Stat(filepath.Join(out, name)); err != nil {
			t.Error(err)
		}
	}
	a, err := os.ReadFile(filepath.Join(out, "model/model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "merged/model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("smt merge and smt train --merge give different models")
	}
}

// TestErrors checks what people see and scripts read when something is wrong.
func TestErrors(t *testing.T) {
	modelDir, rows := tiny(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "out")

	truncated := filepath.Join(dir, "truncated")
	if err := os.CopyFS(truncated, os.DirFS(modelDir)); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(truncated, "model.safetensors")
	data, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	write(t, weights, string(data[:len(data)/2]))
	// The output directory of an earlier run, with a model and an adapter in it.
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(taken, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(taken, "model"), os.DirFS(modelDir)); err != nil {
		t.Fatal(err)
	}
	adapter := filepath.Join(taken, "adapter")
	if err := export.WriteLowRank(adapter, export.LowRank{Rank: 1, Alpha: 1, Matrices: []export.LowRankMatrix{
		{Name: "lm_head", Out: 40, In: 32, A: make([]float32, 32), B: make([]float32, 40)}}}); err != nil {
		t.Fatal(err)
	}
	merge := func(more ...string) []string {
		return append([]string{"merge", "--model_name_or_path", modelDir, "--adapter", adapter}, more...)
	}
	bad := filepath.Join(dir, "bad.jsonl")
	write(t, bad, `{"prompt": "a", "completion": "b"}`+"\n"+`{"prompt": "a", "completion": null}`+"\n")

	for _, c := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"wrong path", []string{"train", "--model_name_or_path", dir + "/none", "--dataset", rows, "--output_dir", out}, ExitNoModel, []string{dir + "/none"}},
		{"truncated safetensors", []string{"train", "--model_name_or_path", truncated, "--dataset", rows, "--output_dir", out}, ExitBadModel, []string{"safetensors:", "model.safetensors"}},
		{"bad row", []string{"train", "--model_name_or_path", modelDir, "--dataset", bad, "--output_dir", out}, ExitBadData, []string{"dataset: ", "bad.jsonl:2", `"completion"`, "null"}},
		{"bad row in check", []string{"data", "check", bad}, ExitBadData, []string{"1 bad row"}},
		{"no dataset file", []string{"train", "--model_name_or_path", modelDir, "--dataset", dir + "/none.json", "--output_dir", out}, ExitBadData, []string{"none.json"}},
		{"unknown key", []string{"train", "--learning_rat", "1"}, ExitUsage, []string{"learning_rate"}},
		{"unknown setting", []string{"train", "learning_rte=1"}, ExitUsage, []string{"learning_rate"}},
		{"wrong type", []string{"train", "--max_steps", "many"}, ExitUsage, []string{"max_steps", "many"}},
		{"missing dataset", []string{"train", "--model_name_or_path", modelDir, "--output_dir", out}, ExitUsage, []string{"dataset is missing"}},
		{"not a model", []string{"info", dir}, ExitNoModel, []string{"config.json"}},
		{"unknown task", []string{"eval", "--model_name_or_path", modelDir, "--task", "chess", "--dataset", rows}, ExitUsage, []string{"boolq"}},
		{"bad temperature", []string{"generate", "--model_name_or_path", modelDir, "--prompt", "a", "--temperature", "-1"}, ExitUsage, []string{"temperature -1"}},
		{"long prompt", []string{"generate", "--model_name_or_path", modelDir, "--prompt", strings.Repeat("a", 200)}, ExitUsage, []string{"200 tokens and up to 128 new ones"}},
		{"output over the model", []string{"train", "--model_name_or_path", taken + "/model", "--dataset", rows, "--output_dir", taken, "--overwrite_output_dir"}, ExitUsage, []string{"which the run reads"}},
		{"random weights, no tokenizer", []string{"train", "--init_config", modelDir + "/config.json", "--dataset", rows, "--output_dir", out}, ExitUsage, []string{"--tokenizer"}},
		{"unknown method", []string{"bench", "step", "--config", modelDir, "--method", "foo"}, ExitUsage, []string{`"foo"`, "expected smt"}},
		{"unknown config", []string{"bench", "step", "--config", dir + "/none"}, ExitUsage, []string{"none of S, M, L"}},
		{"merge into a filled directory", merge("--output_dir", taken+"/model"), ExitUsage, []string{"is not empty"}},
		{"merge over a run", merge("--output_dir", dir, "--overwrite_output_dir"), ExitUsage, []string{"which is being merged"}},
		{"merge over the adapter", merge("--output_dir", adapter, "--overwrite_output_dir"), ExitUsage, []string{"which is being merged"}},
		{"merge over the base", merge("--output_dir", modelDir, "--overwrite_output_dir"), ExitUsage, []string{"which is being merged"}},
		{"unknown command", []string{"trian"}, ExitUsage, []string{"trian"}},
		{"argument", []string{"parity", "reference/llama"}, ExitUsage, []string{"reference/llama", "expected flags only"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, errOut := run(t, c.args...)
			if code != c.code {
				t.Errorf("exit %d, expected %d: %s", code, c.code, errOut)
			}
			for _, w := range c.want {
				if !strings.Contains(errOut, w) {
					t.Errorf("%q does not say %q", errOut, w)
				}
			}
		})
	}
}

// TestFullDisk trains onto a file system that is too small for the results.
func TestFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("mounting a small file system needs Linux and root")
	}
	modelDir, rows := tiny(t)
	disk := t.TempDir()
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", disk).Run(); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	defer exec.Command("umount", disk).Run()
	code, _, errOut := run(t, "train", "--model_name_or_path", modelDir, "--dataset", rows, "--output_dir", filepath.Join(disk, "out"), "--block_size", "16",
		"--num_blocks", "8", "--max_steps", "2", "--max_seq_length", "64", "--merge")
	if code != ExitIO || !strings.Contains(errOut, disk) || !strings.Contains(errOut, "space") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

// TestParityAsJSON checks the object that programs read.
func TestParityAsJSON(t *testing.T) {
	reference := "../../../shared/reference/llama"
	if _, err := os.Stat(reference); err != nil {
		t.Skipf("the reference results are not here: %v", err)
	}
	code, out, errOut := run(t, "parity", "--model_name_or_path", reference, "--reference", reference, "--log_format", "json")
	var r map[string]any
	if err := json.Unmarshal([]byte(out), &r); code != ExitOK || err != nil {
		t.Fatalf("exit %d, %v: %s %s", code, err, out, errOut)
	}
	for _, key := range []string{"logits_max_abs", "loss_abs", "grad_max_rel_l2", "worst_parameter"} {
		if _, ok := r[key]; !ok {
			t.Errorf("%s is missing in %s", key, out)
		}
	}
	if code, _, _ := run(t, "parity", "--model_name_or_path", reference, "--reference", reference, "--tolerance", "1e-12"); code != ExitFailure {
		t.Errorf("beyond the tolerance: exit %d", code)
	}
}

// TestEveryCommandHasHelp asks each command for an example and its exit codes.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, cmd := range [][]string{{"train"}, {"merge"}, {"info"}, {"eval"}, {"generate"}, {"plan"}, {"data", "check"}, {"data", "show"}, {"tokens"}, {"parity"}, {"bench", "step"}, {"compare"}, {"study"}, {"study", "warmup"}} {
		code, out, _ := run(t, append(cmd, "--help")...)
		if code != ExitOK || !strings.Contains(out, "EXAMPLES") || !strings.Contains(out, "EXIT STATUS") || !strings.Contains(out, "smt "+cmd[0]) {
			t.Errorf("smt %s --help (exit %d):\n%s", strings.Join(cmd, " "), code, out)
		}
	}
}
