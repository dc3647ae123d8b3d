package reference

import (
	"fmt"
	"strings"
	"testing"

	"smt/device"
	"smt/device/optest"
)

func TestOps(t *testing.T) { optest.Run(t, New(), 1e-12) }

func TestGradients(t *testing.T) { optest.RunGradients(t, New()) }

func TestDeterminism(t *testing.T) { optest.RunDeterminism(t, func() device.Device { return New() }) }

// TestMessages checks that a panic names the operation, the operand, what it is and what it should be.
func TestMessages(t *testing.T) {
	d := New()
	for _, c := range []struct {
		call func()
		want string
	}{
		{func() { d.New(-1, 2) }, "reference: New: size [-1, 2] is negative"},
		{func() { d.Bind(device.BF16, 2, 3, make([]byte, 10)) }, "reference: Bind: 10 bytes for BF16[2, 3], want 12"},
		{func() { d.Fill(device.Tensor{}, 1) }, "reference: Fill: t is absent, want a float tensor of this device"},
		{func() { d.AddRow(d.New(4, 6), d.New(1, 5)) }, "reference: AddRow: row is float[1, 5], want [1, 6]"},
		{
			func() { d.MatMul(d.New(2, 2), d.New(2, 3), false, d.New(2, 4), true, false) },
			"reference: MatMul: c float[2, 2], a float[2, 3] (transposed: false) and b float[2, 4] (transposed: true) do not fit",
		},
		{
			func() { d.GatherRows(d.New(1, 2), d.New(4, 2).Slice(0, 0), d.NewIndex(1)) },
			"reference: GatherRows: rows[0] is 0, want 0 or more and less than 0",
		},
		{
			func() { d.CrossEntropy(d.New(1, 1), d.New(1, 0), d.NewIndex(1), 1) },
			"reference: CrossEntropy: targets[0] is 0, want 0 or more and less than 0",
		},
		{
			func() { d.BlockGradient(d.New(4, 4), d.New(1, 6), d.New(1, 9), []device.Block{{Row: 2, Col: 0}}, 4) },
			"reference: BlockGradient: block 0 at 2, 0 with size 4 lies outside the weight [6, 9]",
		},
		{func() { d.BlockScores(d.New(1, 1), d.New(2, 2), 2, 7, false) }, "reference: BlockScores: reduction 7, want MeanAbs"},
		{
			func() { d.AdamW(d.New(1, 1), d.New(1, 1), d.New(1, 1), d.New(1, 1), device.AdamW{}) },
			"reference: AdamW: step 0, want 1 or more",
		},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, c.want) {
					t.Errorf("panic %q, want %q", got, c.want)
				}
			}()
			c.call()
		}()
	}
}

func TestName(t *testing.T) {
	if got := New().Name(); got != "reference (float64)" {
		t.Errorf("name %q", got)
	}
}
