package safetensors

import "strings"

// DType is how the elements of a tensor are stored, by its name in the format. All are little-endian.
type DType string

// The element types that this package reads and writes.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"  // IEEE 754 binary16: 1 sign bit, 5 of exponent, 10 of fraction
	BF16 DType = "BF16" // the upper half of a float32: 1 sign bit, 8 of exponent, 7 of fraction
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
	BOOL DType = "BOOL" // one byte, 0 or 1
)

// dtypes is the order in which error messages list them.
var dtypes = []DType{F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL}

// Size is the bytes of one element, and 0 for a type that this package does not know.
func (d DType) Size() int {
	switch d {
	case F64, I64:
		return 8
	case F32, I32:
		return 4
	case F16, BF16, I16:
		return 2
	case I8, U8, BOOL:
		return 1
	}
	return 0
}

// knownDTypes is the list for error messages: "F64, F32, ...".
func knownDTypes() string {
	names := make([]string, len(dtypes))
	for i, d := range dtypes {
		names[i] = string(d)
	}
	return strings.Join(names, ", ")
}
