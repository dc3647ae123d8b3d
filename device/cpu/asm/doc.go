// Package asm holds the amd64 kernels of package cpu, for AVX-512 (the subsets F, BW, DQ and VL) and for AVX2 with FMA and
// F16C. The caller checks that the machine has them. The comment of each kernel is the Go code that it equals, but for the
// order of the sums. Slices have the length of the first; pointers to bytes are elements of the dtype that the name tells,
// little-endian, at any address.
//
// The kernels are written by the generator in gen, a module of its own, so that no one who only builds needs it.
package asm

//go:generate go -C gen run . -out ../kernels_amd64.s -stubs ../stubs_amd64.go -pkg asm
