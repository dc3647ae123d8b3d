package main

import (
	"fmt"

	"github.com/ebitengine/purego"
)

// A blas is a library with the C interface of BLAS, opened at run time.
type blas struct {
	name       string
	setThreads func(int32)
	sgemm      func(order, transA, transB, m, n, k int32, alpha float32, a *float32, lda int32, b *float32, ldb int32,
		beta float32, c *float32, ldc int32)
}

// openBLAS opens a library whose number of threads the function setThreads sets.
func openBLAS(name, path, setThreads string) (*blas, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("gemm: %s: %w", name, err)
	}
	b := &blas{name: name}
	purego.RegisterLibFunc(&b.setThreads, handle, setThreads)
	purego.RegisterLibFunc(&b.sgemm, handle, "cblas_sgemm")
	return b, nil
}

// The constants of the C interface.
const (
	rowMajor = 101
	plain    = 111
	turned   = 112
)

// multiply computes c [m, n] = op(a)·op(b).
func (l *blas) multiply(c, a, b []float32, m, n, k int, transA, transB bool) {
	op, lda, ldb := [2]int32{plain, plain}, k, n
	if transA {
		op[0], lda = turned, m
	}
	if transB {
		op[1], ldb = turned, k
	}
	l.sgemm(rowMajor, op[0], op[1], int32(m), int32(n), int32(k), 1, &a[0], int32(lda), &b[0], int32(ldb), 0, &c[0], int32(n))
}
