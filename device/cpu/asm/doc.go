// Package asm holds the vector kernels of package cpu: on amd64 for AVX-512 (the subsets F, BW, DQ and VL) and for AVX2
// with FMA and F16C, on arm64 for NEON, which every such machine has. On amd64 the caller checks what the machine has. The
// comment of each kernel is the Go code that it equals, but for the order of the sums. Slices have the length of the first;
// pointers to bytes are elements of the dtype that the name tells, little-endian, at any address.
//
// The kernels are written by generators: gen for amd64, a module of its own, so that no one who only builds needs the
// library that it is written with, and genarm64.
package asm

//go:generate go -C gen run . -out ../kernels_amd64.s -stubs ../stubs_amd64.go -pkg asm
//go:generate go run ./genarm64
