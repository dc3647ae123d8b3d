//go:build !linux && !darwin

package progress

// PeakRSS is the largest resident memory that the process has had, in MiB; this system does not tell it without more ado.
func PeakRSS() (mib float64, ok bool) { return 0, false }

// RSS is the resident memory of the process now, in MiB; this system does not tell it without more ado.
func RSS() (mib float64, ok bool) { return 0, false }
