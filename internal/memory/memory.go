// Package memory tells how much physical memory the process holds.
package memory

import (
	"os"
	"strconv"
	"strings"
)

// RSS is the resident memory in MiB, files that are mapped and read included; 0 where the system does not tell.
func RSS() float64 { return status("VmRSS:") }

// PeakRSS is the largest RSS since the start of the process or the last ResetPeak, in MiB; 0 where the system does not
// tell.
func PeakRSS() float64 { return status("VmHWM:") }

// ResetPeak makes PeakRSS start again from the present. It reports whether the system allows that.
func ResetPeak() bool { return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil }

// status reads a line of Linux's /proc/self/status; other systems have no such file.
func status(key string) float64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			if err == nil {
				return kib / 1024
			}
		}
	}
	return 0
}
