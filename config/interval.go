package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// An interval is the range of a number, each end open or closed.
type interval struct {
	low, high         float64
	openLow, openHigh bool
}

// mustInterval reads the mathematical notation, such as [0,1) or (0,inf).
func mustInterval(text string) interval {
	bad := func() { panic(fmt.Sprintf("config: %q is no interval", text)) }
	if len(text) < 5 || !strings.Contains("[(", text[:1]) || !strings.Contains(")]", text[len(text)-1:]) {
		bad()
	}
	low, high, ok := strings.Cut(text[1:len(text)-1], ",")
	a, errA := strconv.ParseFloat(low, 64)
	b, errB := strconv.ParseFloat(high, 64)
	if !ok || errA != nil || errB != nil {
		bad()
	}
	return interval{a, b, text[0] == '(', text[len(text)-1] == ')'}
}

// contains reports whether x lies inside; NaN never does.
func (i interval) contains(x float64) bool {
	above := x > i.low || x == i.low && !i.openLow
	below := x < i.high || x == i.high && !i.openHigh
	return above && below
}

// String describes the interval in words.
func (i interval) String() string {
	low, high := formatNumber(i.low), formatNumber(i.high)
	switch {
	case math.IsInf(i.high, 1) && i.openLow:
		return "more than " + low
	case math.IsInf(i.high, 1):
		return low + " or more"
	case i.low == i.high:
		return "only " + low
	case i.openHigh:
		return "from " + low + " to below " + high
	}
	return "from " + low + " to " + high
}

// formatNumber writes the shortest text that reads back as x.
func formatNumber(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
