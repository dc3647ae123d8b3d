//go:build unix && !linux

package durable

import "errors"

func mountSmallDisk(string) error { return errors.New("not on this system") }
