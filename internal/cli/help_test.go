package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"smt/config"
)

func TestUsage(t *testing.T) {
	_, _, all, err := runWith(t, nil, "--help")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range config.Keys() {
		if strings.Count(all, "--"+key.Name+" ") != 1 {
			t.Errorf("help should show --%s once", key.Name)
		}
	}
	last := -1
	for _, group := range config.Groups() {
		at := strings.Index(all, "\n"+group.Title+":\n")
		if at <= last {
			t.Errorf("group %s is missing or out of order", group.Title)
		}
		last = at
	}
	if !strings.Contains(all, "--model string") || strings.Contains(all, "--lr ") {
		t.Error("help should show the command's own flags and no aliases")
	}
	for line := range strings.SplitSeq(all, "\n") {
		if len(line) > helpWidth {
			t.Errorf("line of %d columns: %s", len(line), line)
		}
	}
	_, _, some, _ := runWith(t, []string{"model"}, "--help")
	if strings.Contains(some, "--seed") || !strings.Contains(some, "--model_name_or_path") {
		t.Errorf("help of one group:\n%s", some)
	}
	if testing.Verbose() {
		t.Log("\n" + all)
	}
}

func TestDescribe(t *testing.T) {
	cmd := &cobra.Command{Use: "x", Long: "Does x.\n"}
	Describe(cmd, []Example{{"one", "smt x"}, {"two", "smt x \\\n  --y"}}, ExitBadData)
	want := `Does x.

EXAMPLES
  # one
  smt x

  # two
  smt x \
    --y

EXIT STATUS
    0  success
    1  an internal error, or a check that failed
    2  a wrong flag, key or argument
   65  bad data: the message names the file and row`
	if cmd.Long != want {
		t.Errorf("got\n%s\nwant\n%s", cmd.Long, want)
	}
	bare := &cobra.Command{Use: "y"}
	Describe(bare, nil)
	if !strings.HasPrefix(bare.Long, "EXIT STATUS\n    0  success\n") {
		t.Errorf("got %q", bare.Long)
	}
}
