package durable

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// deadPID is the id of no process: larger than any system gives out.
const deadPID = math.MaxInt32

func TestRemoveStale(t *testing.T) {
	parent := t.TempDir()
	dead, ours, parents := strconv.Itoa(deadPID), strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	for _, name := range []string{
		"model", "model.smt-tmp-" + dead, "model.smt-old-" + dead, // cut off after the second rename
		"lost.smt-old-" + dead, "lost.smt-tmp-" + dead, // cut off between the renames
		"mine.smt-tmp-" + ours,            // an earlier process with our id
		"theirs.smt-tmp-" + parents,       // a living process
		"notes.smt-tmp-1x", "a.smt-tmp-0", // not our marks
		"model.old-20240115", "model.tmp-20240115", // a person's own copies
	} {
		if err := os.MkdirAll(filepath.Join(parent, name, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(parent, ".log.json.smt-tmp-"+dead), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	d := newDir(t, filepath.Join(parent, "now"), false)

	cleared, err := RemoveStale(parent)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".log.json.smt-tmp-" + dead, "lost.smt-old-" + dead, "lost.smt-tmp-" + dead, "mine.smt-tmp-" + ours,
		"model.smt-old-" + dead, "model.smt-tmp-" + dead}
	if !slices.Equal(cleared, want) {
		t.Errorf("cleared %q, expected %q", cleared, want)
	}
	left := []string{"a.smt-tmp-0", "lost", "model", "model.old-20240115", "model.tmp-20240115", "notes.smt-tmp-1x",
		filepath.Base(d.Path()), "theirs.smt-tmp-" + parents}
	if got := names(t, parent); !slices.Equal(got, left) {
		t.Errorf("left %q, expected %q", got, left)
	}
	if !exists(filepath.Join(parent, "lost", "lost.smt-old-"+dead)) {
		t.Error("the directory that stepped aside did not come back")
	}
	if err := d.Commit(); err != nil {
		t.Error(err)
	}
	if cleared, err := RemoveStale(filepath.Join(parent, "missing")); err != nil || cleared != nil {
		t.Errorf("got %v, %v for a missing parent", cleared, err)
	}
}

func TestSplitMark(t *testing.T) {
	for _, c := range []struct {
		name, final string
		pid         int
	}{
		{"model.smt-tmp-12", "model", 12}, {"a.smt-tmp-1.smt-old-7", "a.smt-tmp-1", 7}, {".x.json.smt-tmp-3", ".x.json", 3},
		{".smt-tmp-3", "", 0}, {"model.smt-tmp-", "", 0}, {"model.smt-tmp-+3", "", 0}, {"model.smt-tmp-03", "", 0}, {"model", "", 0},
	} {
		final, _, pid, ok := splitMark(c.name)
		if got := fmt.Sprint(final, pid); got != fmt.Sprint(c.final, c.pid) || ok != (c.pid != 0) {
			t.Errorf("%s: got %s %v", c.name, got, ok)
		}
	}
}
