// Package finite tells numbers from what is none, so that whoever runs many models can tell one that has diverged from what went
// wrong otherwise.
package finite

import (
	"errors"
	"math"
)

// ErrNot is what errors wrap that a NaN or an infinity causes, where weights are written or a model's answers measured.
var ErrNot = errors.New("not finite")

// Is reports whether x is a number, neither NaN nor infinite.
func Is(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
