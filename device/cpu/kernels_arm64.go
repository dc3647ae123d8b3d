//go:build !noasm

package cpu

import "smt/device/cpu/asm"

// available lists the sets of kernels, the fastest first. Every arm64 machine has NEON.
func available() []*kernels { return []*kernels{&neon, &portable} }

var neon = kernels{
	name: "neon", height: 8, lanes: 4, columns: 3,
	tile: [3]func(int, *float32, *float32, *float32, int, bool){
		asm.Tile8x4NEON, asm.Tile8x8NEON, asm.Tile8x12NEON,
	},
	transpose: [dtypes]func(int, *byte, int, *float32, int){
		asm.TransposeF32NEON, asm.TransposeF32NEON, asm.TransposeF16NEON, asm.TransposeBF16NEON,
	},
	deal: [dtypes]func(int, int, int, *byte, int, *float32, int){
		asm.DealF32NEON, asm.DealF32NEON, asm.DealF16NEON, asm.DealBF16NEON,
	},
	dotRows: 4,
	dots: [dtypes]func(int, *float32, int, *byte, int, *float32){
		asm.Dots4x4F32NEON, asm.Dots4x4F32NEON, asm.Dots4x4F16NEON, asm.Dots4x4BF16NEON,
	},
	dot1: [dtypes]func(int, *float32, int, *byte, int, *float32){
		asm.Dots1x4F32NEON, asm.Dots1x4F32NEON, asm.Dots1x4F16NEON, asm.Dots1x4BF16NEON,
	},
	bytes: &portableBytes,
	weigh: asm.WeighNEON,

	scale:             asm.ScaleNEON,
	combine:           asm.CombineNEON,
	multiply:          asm.MultiplyNEON,
	multiplyAdd:       asm.MultiplyAddNEON,
	normalize:         asm.NormalizeNEON,
	normalizeGradient: asm.NormalizeGradientNEON,
	rotate:            asm.RotateNEON,
	swiglu:            asm.SwiGLUNEON,
	swigluGradient:    asm.SwiGLUGradientNEON,
	adamw:             func(p, g, m, v []float32, c *adamwConstants) { asm.AdamWNEON(p, g, m, v, &c.gradient) },
	sum:               asm.SumNEON,
	sumAbs:            asm.SumAbsNEON,
	dot:               asm.DotNEON,
	dot3:              asm.Dot3NEON,
	max:               asm.MaxNEON,
	expSum:            asm.ExpSumNEON,
	expScale:          asm.ExpScaleNEON,
	peakPanel:         asm.PeakPanelNEON,
	expPanel:          asm.ExpPanelNEON,
	scalePanel:        asm.ScalePanelNEON,
	gradientPanel:     asm.GradientPanelNEON,
}
