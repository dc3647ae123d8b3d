// Command genarm64 writes the NEON kernels of package asm; run it with go generate in device/cpu/asm.
//
// It is an assembler's macro language in Go: a kernel is a function that emits its instructions one by one, and loops,
// registers and the offsets of parameters are counted for it. Instructions that Go's assembler lacks are emitted as words
// of machine code, with what GNU as calls them beside it; the test of this package compares the two.
package main

import (
	"fmt"
	"os"
)

func main() {
	text, stubs := generate()
	for name, content := range map[string][]byte{"kernels_arm64.s": text, "stubs_arm64.go": stubs} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "genarm64:", err)
			os.Exit(1)
		}
	}
}

// generate gives the contents of kernels_arm64.s and of stubs_arm64.go.
func generate() (text, stubs []byte) {
	p := newProgram()
	for vectors := 1; vectors <= 3; vectors++ {
		tile(p, vectors)
	}
	for _, t := range []stored{f32, f16, bf16} {
		transpose(p, t)
		deal(p, t)
		dots(p, t, 4)
		dots(p, t, 1)
	}
	weigh(p)
	elementwise(p)
	optimizer(p)
	reductions(p)
	exponentials(p)
	panels(p)
	return p.text.Bytes(), p.stubs.Bytes()
}
