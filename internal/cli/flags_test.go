package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"smt/config"
)

// runWith runs a command that binds the recipe and returns what it loaded.
func runWith(t *testing.T, groups []string, arguments ...string) (config.Recipe, config.Notices, string, error) {
	t.Helper()
	var recipe config.Recipe
	var notices config.Notices
	root := &cobra.Command{Use: "smt", SilenceErrors: true, SilenceUsage: true}
	cmd := &cobra.Command{Use: "train [recipe.yaml] [key=value ...]"}
	cmd.Flags().String("model", "own", "a flag of the command that hides an alias")
	load := BindRecipe(cmd, groups...)
	cmd.RunE = func(*cobra.Command, []string) (err error) {
		recipe, notices, err = load("")
		return err
	}
	root.AddCommand(cmd)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"train"}, arguments...))
	err := root.Execute()
	return recipe, notices, out.String(), err
}

func TestBindRecipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "my recipe.yaml")
	if err := os.WriteFile(path, []byte("learning_rate: 1\nseed: 5\ndataset: old.json\npacking: true\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	recipe, notices, _, err := runWith(t, nil, "--learning-rate", "2e-4", path, "--dataset", "a.json", "--dataset=b.json",
		"--packing=false", "--merge", "--epochs", "3", "weight-decay=0.1", "dataset=c.json", "--columns", "input=q", "--model", "own")
	if err != nil {
		t.Fatal(err)
	}
	if recipe.LearningRate != 2e-4 || recipe.Seed != 5 || recipe.Packing || !recipe.Merge || recipe.NumTrainEpochs != 3 ||
		recipe.WeightDecay != 0.1 || recipe.Columns["input"] != "q" || recipe.ModelNameOrPath != "" {
		t.Errorf("got\n%s", recipe.Resolved())
	}
	if want := []string{"a.json", "b.json", "c.json"}; !slices.Equal(recipe.Dataset, want) {
		t.Errorf("dataset: got %q, want %q", recipe.Dataset, want)
	}
	if want := (config.Notices{"--epochs: epochs is read as num_train_epochs"}); !slices.Equal(notices, want) {
		t.Errorf("notices: got %q, want %q", notices, want)
	}
}

func TestBindRecipeErrors(t *testing.T) {
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"--lerning_rate", "1"}, "cli: unknown flag --lerning_rate; did you mean --learning_rate?"},
		{[]string{"--lora_rank", "1"}, "cli: unknown flag --lora_rank"},
		{[]string{"--seed"}, "cli: flag needs an argument: --seed"},
		{[]string{"--seed", "x", "--packing=2"}, "config: --seed: got x, expected an integer, 0 or more\nconfig: --packing: got 2, expected true or false"},
		{[]string{"sede=1"}, "config: argument sede: sede: unknown key; did you mean seed?"},
		{[]string{"--packing", "False"}, "cli: got the argument False, expected a recipe.yaml or key=value; a flag takes it as --packing=False"},
		{[]string{"a.yaml", "b.yaml"}, "cli: got two recipes, a.yaml and b.yaml, expected one; settings have the form key=value"},
		{[]string{"/nowhere/a.yaml"}, "config: recipe: open /nowhere/a.yaml: "},
		{[]string{""}, "cli: got an empty argument, expected a recipe.yaml or key=value"},
	} {
		_, _, _, err := runWith(t, []string{"data", "training"}, c.arguments...)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || !strings.HasPrefix(c.want, "config: recipe") && err.Error() != c.want {
			t.Errorf("%q: got %v, want %s", c.arguments, err, c.want)
		}
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != ExitUsage || Code(err) != ExitUsage {
			t.Errorf("%q: exit code %d, want %d", c.arguments, Code(err), ExitUsage)
		}
	}
}
