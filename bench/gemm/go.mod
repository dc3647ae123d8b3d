module smt/bench/gemm

go 1.26.8

replace smt => ../..

require (
	github.com/ebitengine/purego v0.11.3
	golang.org/x/sys v0.49.0
	smt v0.0.0
)
