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
		"model", "model.tmp-" + dead, "model.old-" + dead, // cut off after the second rename
		"lost.old-" + dead, "lost.tmp-" + dead, // cut off between the renames
		"mine.tmp-" + ours,        // an earlier process with our id
		"theirs.tmp-" + parents,   // a living process
		"notes.tmp-1x", "a.tmp-0", // not our marks
	} {
		if err := os.MkdirAll(filepath.Join(parent, name, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(parent, ".log.json.tmp-"+dead), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	d := newDir(t, filepath.Join(parent, "now"), false)

	cleared, err := RemoveStale(parent)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".log.json.tmp-" + dead, "lost.old-" + dead, "lost.tmp-" + dead, "mine.tmp-" + ours,
		"model.old-" + dead, "model.tmp-" + dead}
	if !slices.Equal(cleared, want) {
		t.Errorf("cleared %q, expected %q", cleared, want)
	}
	left := []string{"a.tmp-0", "lost", "model", "notes.tmp-1x", filepath.Base(d.Path()), "theirs.tmp-" + parents}
	if got := names(t, parent); !slices.Equal(got, left) {
		t.Errorf("left %q, expected %q", got, left)
	}
	if !exists(filepath.Join(parent, "lost", "lost.old-"+dead)) {
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
		{"model.tmp-12", "model", 12}, {"a.tmp-1.old-7", "a.tmp-1", 7}, {".x.json.tmp-3", ".x.json", 3},
		{".tmp-3", "", 0}, {"model.tmp-", "", 0}, {"model.tmp-+3", "", 0}, {"model.tmp-03", "", 0}, {"model", "", 0},
	} {
		final, _, pid, ok := splitMark(c.name)
		if got := fmt.Sprint(final, pid); got != fmt.Sprint(c.final, c.pid) || ok != (c.pid != 0) {
			t.Errorf("%s: got %s %v", c.name, got, ok)
		}
	}
}
