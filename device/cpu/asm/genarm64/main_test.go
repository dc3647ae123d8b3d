package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// TestWritten makes sure that the files in package asm are those that the generator writes.
func TestWritten(t *testing.T) {
	text, stubs := generate()
	for name, want := range map[string][]byte{"kernels_arm64.s": text, "stubs_arm64.go": stubs} {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator writes: run go generate ./device/cpu/asm", name)
		}
	}
}

// TestWords assembles the text beside every word of machine code with GNU as, and compares.
func TestWords(t *testing.T) {
	const prefix = "aarch64-linux-gnu-"
	if _, err := exec.LookPath(prefix + "as"); err != nil {
		t.Skipf("the words are not checked without %sas (package binutils-aarch64-linux-gnu)", prefix)
	}
	text, _ := generate()
	words := regexp.MustCompile(`WORD \$(0x[0-9a-f]{8}) // (.*)`).FindAllSubmatch(text, -1)
	if len(words) < 500 {
		t.Fatalf("only %d words", len(words))
	}
	var source bytes.Buffer
	for _, w := range words {
		fmt.Fprintf(&source, "%s\n", w[2])
	}
	object, code := filepath.Join(t.TempDir(), "words.o"), filepath.Join(t.TempDir(), "words")
	as := exec.Command(prefix+"as", "-o", object)
	as.Stdin = &source
	for _, c := range []*exec.Cmd{as, exec.Command(prefix+"objcopy", "-O", "binary", "-j", ".text", object, code)} {
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", c.Args, err, out)
		}
	}
	assembled, err := os.ReadFile(code)
	if err != nil {
		t.Fatal(err)
	}
	if len(assembled) != 4*len(words) {
		t.Fatalf("%d bytes of code for %d words", len(assembled), len(words))
	}
	for i, w := range words {
		got, err := strconv.ParseUint(string(w[1]), 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		if want := binary.LittleEndian.Uint32(assembled[4*i:]); uint32(got) != want {
			t.Errorf("%s is %#08x, want %#08x", w[2], got, want)
		}
	}
}

// TestPlace checks the offsets of parameters in a caller's frame. go vet compares those of the kernels with their stubs, but
// only for arm64.
func TestPlace(t *testing.T) {
	k := &kernel{params: map[string]param{}}
	if size := k.place("(dst, a []float32, n int, add bool, s float32) float32"); size != 68 {
		t.Errorf("%d bytes of parameters, want 68", size)
	}
	for name, want := range map[string]int{"dst": 0, "a": 24, "n": 48, "add": 56, "s": 60} {
		if got := k.params[name].offset; got != want {
			t.Errorf("%s is at %d, want %d", name, got, want)
		}
	}
	if k.result != "ret+64(FP)" {
		t.Errorf("the result is at %s, want ret+64(FP)", k.result)
	}
}
