package generate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"smt/device/reference"
	"smt/model"
)

// openReference opens one of the tiny random models of the reference material on the float64 device.
func openReference(t testing.TB, name string) *model.Decoder {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "reference", name)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not there", dir)
	}
	base, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { base.Close() })
	d, err := model.New(reference.New(), base)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
