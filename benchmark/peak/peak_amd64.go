package peak

import "golang.org/x/sys/cpu"

//go:noescape
func fma512(n int)

//go:noescape
func fma256(n int)

// fastest is the loop with the widest vectors that the processor has.
func fastest() loop {
	switch {
	case cpu.X86.HasAVX512F:
		return loop{fma512, 28 * 16 * 2}
	case cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return loop{fma256, 12 * 8 * 2}
	}
	return loop{}
}
