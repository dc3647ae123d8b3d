package export

import (
	"path/filepath"
	"testing"
)

// TestChatTemplateOfAdapters: adapters of both kinds keep the chat template that they are given, and have none otherwise.
func TestChatTemplateOfAdapters(t *testing.T) {
	for _, want := range []string{"{{ messages }}\n", ""} {
		a, l := smallAdapter(), smallLowRank(true)
		a.ChatTemplate, l.ChatTemplate = want, want
		dir := t.TempDir()
		smt, dora := filepath.Join(dir, "smt"), filepath.Join(dir, "dora")
		if err := WriteAdapter(smt, a); err != nil {
			t.Fatal(err)
		}
		if err := WriteLowRank(dora, l); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{smt, dora} {
			if got, err := ReadChatTemplate(path); err != nil || got != want {
				t.Errorf("%s: %q, %v, expected %q", path, got, err, want)
			}
		}
	}
}
