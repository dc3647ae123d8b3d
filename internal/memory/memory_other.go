//go:build !linux && !darwin

package memory

// RSS is 0: this system does not tell it without more ado.
func RSS() float64 { return 0 }

// PeakRSS is 0: this system does not tell it without more ado.
func PeakRSS() float64 { return 0 }

// ResetPeak is not possible here.
func ResetPeak() bool { return false }
