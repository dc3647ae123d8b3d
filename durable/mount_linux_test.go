package durable

import "golang.org/x/sys/unix"

// mountSmallDisk mounts a file system of one megabyte at dir.
func mountSmallDisk(dir string) error {
	return unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m")
}
