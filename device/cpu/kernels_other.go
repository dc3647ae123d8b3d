//go:build (!amd64 && !arm64) || noasm

package cpu

func available() []*kernels { return []*kernels{&portable} }
