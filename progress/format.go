package progress

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// describe writes what is known after a step, as in
//
//	loss 1.2345  grad 0.52  lr 4.5e-05  1,234 tok/s  peak 512 MiB
func describe(s StepInfo) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if s.Epoch > 0 {
		add("epoch %.2f", s.Epoch)
	}
	if s.Training {
		add("loss %.4f", s.Loss)
	}
	if s.Validated {
		add("val %.4f", s.ValidationLoss)
	}
	if s.LearningRate > 0 {
		add("grad %.3g", s.GradNorm)
		add("lr %.3g", s.LearningRate)
	}
	if s.TokensPerSecond > 0 {
		add("%s tok/s", groupThousands(int64(s.TokensPerSecond+0.5)))
	}
	if s.PeakMiB > 0 {
		add("peak %s", formatMiB(s.PeakMiB))
	}
	return strings.Join(parts, "  ")
}

// groupThousands writes 1234567 as 1,234,567.
func groupThousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// formatMiB writes an amount of memory in MiB or, from 1 GiB on, in GiB.
func formatMiB(mib float64) string {
	if mib < 1024 {
		return fmt.Sprintf("%.0f MiB", mib)
	}
	return fmt.Sprintf("%.2f GiB", mib/1024)
}

// formatDuration writes a duration with its two largest units: 45s, 3m20s, 2h05m, 1d04h.
func formatDuration(d time.Duration) string {
	seconds := int64(d.Round(time.Second) / time.Second)
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
	case seconds < 86400:
		return fmt.Sprintf("%dh%02dm", seconds/3600, seconds%3600/60)
	}
	return fmt.Sprintf("%dd%02dh", seconds/86400, seconds%86400/3600)
}
