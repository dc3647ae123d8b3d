package progress

import "syscall"

// PeakRSS is the largest resident memory that the process has had, in MiB. Pages of mapped files that were in memory
// count. It returns false where the system does not tell.
func PeakRSS() (mib float64, ok bool) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, false
	}
	// On this system, and on no other, ru_maxrss is in bytes.
	return float64(usage.Maxrss) / (1 << 20), true
}

// RSS is the resident memory of the process now, in MiB; this system does not tell it without more ado.
func RSS() (mib float64, ok bool) { return 0, false }
