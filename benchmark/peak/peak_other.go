//go:build !amd64 && !arm64

package peak

// fastest is no loop: there are no vector instructions that this package knows.
func fastest() loop { return loop{} }
