package peak

import "golang.org/x/sys/unix"

// pin keeps the calling thread on the i-th of the cores that the process may use, or leaves it where it is if there are
// fewer: threads that wake together may otherwise share a core for longer than a measurement lasts.
func pin(i int) {
	var all, one unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil || i >= all.Count() {
		return
	}
	core := 0
	for ; ; core++ {
		if all.IsSet(core) {
			if i == 0 {
				break
			}
			i--
		}
	}
	one.Set(core)
	_ = unix.SchedSetaffinity(0, &one) // an unpinned thread measures less, which the caller sees
}
