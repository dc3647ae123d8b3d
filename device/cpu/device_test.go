package cpu

import (
	"testing"

	"smt/device"
	"smt/device/optest"
)

// eachSet runs a test with every set of kernels that this machine has.
func eachSet(t *testing.T, test func(t *testing.T, kernels string)) {
	for _, name := range Kernels() {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

func TestOps(t *testing.T) {
	eachSet(t, func(t *testing.T, kernels string) {
		optest.Run(t, New(WithKernels(kernels), WithThreads(3)), 2e-5)
	})
}

func TestDeterminism(t *testing.T) {
	eachSet(t, func(t *testing.T, kernels string) {
		optest.RunDeterminism(t, func() device.Device { return New(WithKernels(kernels)) })
	})
}
