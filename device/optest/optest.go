// Package optest is the one table of tests that every [device.Device] passes.
//
// A new device is added in three steps. Implement the methods of [device.Device]; begin with those of tensors (New,
// NewIndex, Bind, Write, WriteIndex, Read), which every other test relies on. Then add a test to its package:
//
//	func TestOps(t *testing.T)         { optest.Run(t, mydevice.New(), 2e-5) }
//	func TestDeterminism(t *testing.T) { optest.RunDeterminism(t, func() device.Device { return mydevice.New() }) }
//
// and work through the operations with go test -run 'TestOps/RMSNorm$'. Last, run the models' tests on it.
//
// What is expected comes from this package alone: each test computes the formula in the doc comment of the operation,
// element by element in float64, from the operands as the device has stored them. That is neither fast nor clever, so
// that it can be compared with the formula by reading. The backward formulas are themselves checked by [RunGradients]:
// central differences of the forward operations, on a device that computes in float64.
//
// Operands are views into larger tensors, at changing offsets and strides. Around operands lies NaN, and results that
// are to be overwritten are full of it, so that what is read but should not be shows. After every call the memory
// around the operands, and all operands that are only read, must be as they were.
package optest

import (
	"testing"

	"smt/device"
)

// Run tests all operations of dev. tolerance bounds the relative L2 error of a result, and an eighth of the relative
// error of its elements: 1e-12 for float64, 2e-5 for float32.
func Run(t *testing.T, dev device.Device, tolerance float64) {
	for _, operation := range []struct {
		name string
		test func(*series)
	}{
		{"Tensors", testTensors},
		{"Bind", testBind},
		{"Fill", testFill},
		{"Combine", testCombine},
		{"MatMul", testMatMul},
		{"Rounded", testRounded},
		{"AddRow", testAddRow},
		{"ColumnDot", testColumnDot},
		{"ScaleColumns", testScaleColumns},
		{"RowSquares", testRowSquares},
		{"GatherRows", testGatherRows},
		{"ScatterAddRows", testScatterAddRows},
		{"RMSNorm", testRMSNorm},
		{"RMSNormBackward", testRMSNormBackward},
		{"Rope", testRope},
		{"Attention", testAttention},
		{"AttentionBackward", testAttentionBackward},
		{"SwiGLU", testSwiGLU},
		{"SwiGLUBackward", testSwiGLUBackward},
		{"CrossEntropy", testCrossEntropy},
		{"BlockProduct", testBlockProduct},
		{"BlockGradient", testBlockGradient},
		{"BlockSums", testBlockSums},
		{"BlockScores", testBlockScores},
		{"SquaredNorm", testSquaredNorm},
		{"AdamW", testAdamW},
		{"Fused", testFused},
		{"Misuse", testMisuse},
	} {
		t.Run(operation.name, func(t *testing.T) {
			operation.test(&series{T: t, dev: dev, tolerance: tolerance})
		})
	}
}
