package safetensors

import (
	"slices"
	"strings"
	"testing"
)

func TestValues(t *testing.T) {
	for _, c := range []struct {
		dtype DType
		data  []byte
		want  []float64
	}{
		{F64, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, []float64{1.5}},
		{F32, []byte{0, 0, 0xc0, 0x3f, 0, 0, 0x80, 0xbf}, []float64{1.5, -1}},
		{F16, []byte{0, 0x3e, 1, 0}, []float64{1.5, 0x1p-24}},
		{BF16, []byte{0xc0, 0x3f}, []float64{1.5}},
		{I64, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []float64{-2}},
		{I32, []byte{0xfe, 0xff, 0xff, 0xff, 1, 0, 0, 0}, []float64{-2, 1}},
		{I16, []byte{0xfe, 0xff, 0, 1}, []float64{-2, 256}},
		{I8, []byte{0xfe, 3}, []float64{-2, 3}},
		{U8, []byte{0xfe, 3}, []float64{254, 3}},
		{BOOL, []byte{0, 1}, []float64{0, 1}},
	} {
		tensor := Tensor{Name: "x", DType: c.dtype, Shape: []int{len(c.want)}, Data: c.data}
		got, err := tensor.Float64s()
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v, expected %v", c.dtype, got, err, c.want)
		}
		last := len(c.want) - 1
		if got, err := tensor.AppendFloat64s([]float64{7}, last, last+1); err != nil || !slices.Equal(got, []float64{7, c.want[last]}) {
			t.Errorf("%s: appending the last element gave %v, %v", c.dtype, got, err)
		}
		for _, r := range [][2]int{{-1, 0}, {0, last + 2}, {1, 0}} {
			if got, err := tensor.AppendFloat64s(nil, r[0], r[1]); err == nil {
				t.Errorf("%s: elements %v: got %v", c.dtype, r, got)
			}
		}
		floats, err := tensor.Float32s()
		if isFloat := c.dtype == F32 || c.dtype == F16 || c.dtype == BF16; isFloat != (err == nil) {
			t.Errorf("%s: Float32s: %v", c.dtype, err)
		} else if isFloat && float64(floats[0]) != c.want[0] {
			t.Errorf("%s: Float32s gave %v", c.dtype, floats)
		}
		ints, err := tensor.Int32s()
		if (c.dtype == I32) != (err == nil) || err == nil && ints[0] != -2 {
			t.Errorf("%s: Int32s gave %v, %v", c.dtype, ints, err)
		}
	}
	for _, tensor := range []Tensor{
		{Name: "short", DType: F32, Shape: []int{2}, Data: make([]byte, 4)},
		{Name: "odd", DType: "U16", Shape: []int{1}, Data: make([]byte, 2)},
		{Name: "negative", DType: U8, Shape: []int{-1, -1}, Data: make([]byte, 1)},
	} {
		if _, err := tensor.Float64s(); err == nil || !strings.Contains(err.Error(), tensor.Name) {
			t.Errorf("%s: got %v", tensor.Name, err)
		}
	}
}
