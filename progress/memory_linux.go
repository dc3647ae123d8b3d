package progress

import (
	"bytes"
	"os"
	"strconv"
)

// PeakRSS is the largest resident memory that the process has had, in MiB. Pages of mapped files that were in memory
// count. It returns false where the system does not tell.
func PeakRSS() (mib float64, ok bool) { return statusMiB("VmHWM:") }

// RSS is the resident memory of the process now, in MiB, or false where the system does not tell.
func RSS() (mib float64, ok bool) { return statusMiB("VmRSS:") }

// statusMiB reads a line of /proc/self/status such as "VmRSS:    1234 kB"; the kernel's kB are KiB.
func statusMiB(field string) (float64, bool) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(status) {
		if words := bytes.Fields(line); len(words) == 3 && string(words[0]) == field {
			kib, err := strconv.ParseFloat(string(words[1]), 64)
			return kib / 1024, err == nil
		}
	}
	return 0, false
}
