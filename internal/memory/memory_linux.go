package memory

import (
	"bytes"
	"os"
	"strconv"
)

// RSS is the resident memory of the process now.
func RSS() float64 { return status("VmRSS:") }

// PeakRSS is the largest RSS since the start of the process or the last ResetPeak.
func PeakRSS() float64 { return status("VmHWM:") }

// ResetPeak makes PeakRSS start again from the present. It reports whether the system allows that.
func ResetPeak() bool { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil }

// status reads a line of /proc/self/status such as "VmRSS:    1234 kB"; the kernel's kB are KiB.
func status(field string) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if words := bytes.Fields(line); len(words) == 3 && string(words[0]) == field {
			kib, err := strconv.ParseFloat(string(words[1]), 64)
			if err != nil {
				return 0
			}
			return kib / 1024
		}
	}
	return 0
}
