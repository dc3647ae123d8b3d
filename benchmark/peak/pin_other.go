//go:build !linux

package peak

// pin does nothing where threads cannot be pinned.
func pin(int) {}
