// Command gen writes the amd64 kernels of package asm; run it with go generate in device/cpu/asm.
package main

import (
	. "github.com/mmcloughlin/avo/build"
)

func main() {
	ConstraintExpr("amd64")
	ConstraintExpr("!noasm")
	for _, v := range []isa{avx512, avx2} {
		for vectors := 1; vectors <= 3; vectors++ {
			tile(v, vectors)
		}
		for _, t := range []stored{f32, f16, bf16} {
			transpose(v, t)
			deal(v, t)
			dots(v, t, v.dotRows)
			dots(v, t, 1)
		}
		weigh(v)
		elementwise(v)
		optimizer(v)
		reductions(v)
		exponentials(v)
		panels(v)
	}
	bytes()
	pairs16()
	Generate()
}
