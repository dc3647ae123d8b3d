package memory

import "syscall"

// RSS is 0: this system does not tell it without more ado.
func RSS() float64 { return 0 }

// PeakRSS is the largest resident memory since the start of the process.
func PeakRSS() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	// On this system, and on no other, ru_maxrss is in bytes.
	return float64(usage.Maxrss) / (1 << 20)
}

// ResetPeak is not possible here.
func ResetPeak() bool { return false }
