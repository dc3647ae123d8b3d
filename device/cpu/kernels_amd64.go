//go:build !noasm

package cpu

import (
	"golang.org/x/sys/cpu"

	"smt/device/cpu/asm"
)

// available lists the sets of kernels that this machine can run, the fastest first.
func available() []*kernels {
	var sets []*kernels
	x := &cpu.X86
	if narrow := x.HasAVX2 && x.HasFMA && x.HasF16C && x.HasBMI2; narrow {
		if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL {
			wide := wide512
			if x.HasAVX512VNNI {
				wide.bytes = &vnni512
			}
			if x.HasAVX512BF16 {
				wide.pairs, wide.round = &brain512, asm.RoundBF16
			}
			sets = append(sets, &wide)
		}
		sets = append(sets, &wide256)
	}
	return append(sets, &portable)
}

var wide512 = kernels{
	name: "avx512", height: 8, lanes: 16, columns: 3,
	tile: [3]func(int, *float32, *float32, *float32, int, bool){
		asm.Tile8x16AVX512, asm.Tile8x32AVX512, asm.Tile8x48AVX512,
	},
	transpose: [dtypes]func(int, *byte, int, *float32, int){
		asm.TransposeF32AVX512, asm.TransposeF32AVX512, asm.TransposeF16AVX512, asm.TransposeBF16AVX512,
	},
	deal: [dtypes]func(int, int, int, *byte, int, *float32, int){
		asm.DealF32AVX512, asm.DealF32AVX512, asm.DealF16AVX512, asm.DealBF16AVX512,
	},
	dotRows: 4,
	dots: [dtypes]func(int, *float32, int, *byte, int, *float32){
		asm.Dots4x4F32AVX512, asm.Dots4x4F32AVX512, asm.Dots4x4F16AVX512, asm.Dots4x4BF16AVX512,
	},
	dot1: [dtypes]func(int, *float32, int, *byte, int, *float32){
		asm.Dots1x4F32AVX512, asm.Dots1x4F32AVX512, asm.Dots1x4F16AVX512, asm.Dots1x4BF16AVX512,
	},
	bytes: &pairs256,
	round: asm.RoundAVX512,
	weigh: asm.WeighAVX512,

	scale:             asm.ScaleAVX512,
	combine:           asm.CombineAVX512,
	multiply:          asm.MultiplyAVX512,
	multiplyAdd:       asm.MultiplyAddAVX512,
	normalize:         asm.NormalizeAVX512,
	normalizeGradient: asm.NormalizeGradientAVX512,
	rotate:            asm.RotateAVX512,
	swiglu:            asm.SwiGLUAVX512,
	swigluGradient:    asm.SwiGLUGradientAVX512,
	adamw:             func(p, g, m, v []float32, c *adamwConstants) { asm.AdamWAVX512(p, g, m, v, &c.gradient) },
	sum:               asm.SumAVX512,
	sumAbs:            asm.SumAbsAVX512,
	dot:               asm.DotAVX512,
	dot3:              asm.Dot3AVX512,
	max:               asm.MaxAVX512,
	expSum:            asm.ExpSumAVX512,
	expScale:          asm.ExpScaleAVX512,
	peakPanel:         asm.PeakPanelAVX512,
	expPanel:          asm.ExpPanelAVX512,
	scalePanel:        asm.ScalePanelAVX512,
	gradientPanel:     asm.GradientPanelAVX512,
}

var wide256 = kernels{
	name: "avx2", height: 4, lanes: 8, columns: 3,
	tile: [3]func(int, *float32, *float32, *float32, int, bool){
		asm.Tile4x8AVX2, asm.Tile4x16AVX2, asm.Tile4x24AVX2,
	},
	transpose: [dtypes]func(int, *byte, int, *float32, int){
		asm.TransposeF32AVX2, asm.TransposeF32AVX2, asm.TransposeF16AVX2, asm.TransposeBF16AVX2,
	},
	deal: [dtypes]func(int, int, int, *byte, int, *float32, int){
		asm.DealF32AVX2, asm.DealF32AVX2, asm.DealF16AVX2, asm.DealBF16AVX2,
	},
	dotRows: 2,
	dots: [dtypes]func(int, *float32, int, *byte, int, *float32){
		asm.Dots2x4F32AVX2, asm.Dots2x4F32AVX2, asm.Dots2x4F16AVX2, asm.Dots2x4BF16AVX2,
	},
	dot1: [dtypes]func(int, *float32, int, *byte, int, *float32){
		asm.Dots1x4F32AVX2, asm.Dots1x4F32AVX2, asm.Dots1x4F16AVX2, asm.Dots1x4BF16AVX2,
	},
	bytes: &pairs256,
	weigh: asm.WeighAVX2,

	scale:             asm.ScaleAVX2,
	combine:           asm.CombineAVX2,
	multiply:          asm.MultiplyAVX2,
	multiplyAdd:       asm.MultiplyAddAVX2,
	normalize:         asm.NormalizeAVX2,
	normalizeGradient: asm.NormalizeGradientAVX2,
	rotate:            asm.RotateAVX2,
	swiglu:            asm.SwiGLUAVX2,
	swigluGradient:    asm.SwiGLUGradientAVX2,
	adamw:             func(p, g, m, v []float32, c *adamwConstants) { asm.AdamWAVX2(p, g, m, v, &c.gradient) },
	sum:               asm.SumAVX2,
	sumAbs:            asm.SumAbsAVX2,
	dot:               asm.DotAVX2,
	dot3:              asm.Dot3AVX2,
	max:               asm.MaxAVX2,
	expSum:            asm.ExpSumAVX2,
	expScale:          asm.ExpScaleAVX2,
	peakPanel:         asm.PeakPanelAVX2,
	expPanel:          asm.ExpPanelAVX2,
	scalePanel:        asm.ScalePanelAVX2,
	gradientPanel:     asm.GradientPanelAVX2,
}

// vnni512 multiplies bytes with VPDPBUSD, pairs256 with VPMADDUBSW, whose sums of two products must fit 16 bits.
var (
	vnni512 = byteKernels{height: 8, lanes: 16, columns: 3, limit: 127, bias: 128, tile: [3]byteTile{
		asm.TileBytes8x16VNNI, asm.TileBytes8x32VNNI, asm.TileBytes8x48VNNI,
	}, turn: asm.TurnBytesAVX512, peak: asm.PeakAVX512, quantize: asm.QuantizeAVX512}
	pairs256 = byteKernels{height: 4, lanes: 8, columns: 2, limit: 63, bias: 64, tile: [3]byteTile{
		asm.TileBytes4x8AVX2, asm.TileBytes4x16AVX2,
	}, peak: asm.PeakAVX2, quantize: asm.QuantizeAVX2}
)

// brain512 multiplies bfloat16 with VDPBF16PS.
var brain512 = pairKernels{tile: [3]pairTile{asm.TilePairs8x16BF16, asm.TilePairs8x32BF16, asm.TilePairs8x48BF16},
	interleave: asm.InterleaveBF16}
