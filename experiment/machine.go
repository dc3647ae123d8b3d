package experiment

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
)

// A Machine is what a cell ran on: hardware and software.
type Machine struct {
	OS       string  `json:"os"`
	Arch     string  `json:"arch"`
	CPU      string  `json:"cpu,omitempty"`
	Cores    int     `json:"cores"`
	Threads  int     `json:"threads"` // that compute
	Memory   float64 `json:"memory_mib,omitempty"`
	Device   string  `json:"device"` // with its kernels
	Go       string  `json:"go"`
	Revision string  `json:"smt_revision,omitempty"`
	Modified bool    `json:"smt_modified,omitempty"` // the source had changes beyond the revision
}

// thisMachine describes where the process runs; device is the name of what computes.
func thisMachine(device string, threads int) Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Threads: runtime.GOMAXPROCS(0), Device: device, Go: runtime.Version()}
	if threads > 0 {
		m.Threads = threads
	}
	// Linux tells the rest; elsewhere it stays unknown.
	m.CPU = field("/proc/cpuinfo", "model name")
	if kib, err := strconv.ParseFloat(string(bytes.TrimSuffix([]byte(field("/proc/meminfo", "MemTotal")), []byte(" kB"))), 64); err == nil {
		m.Memory = float64(int(kib / 1024))
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				m.Revision = s.Value
			case "vcs.modified":
				m.Modified = s.Value == "true"
			}
		}
	}
	return m
}

// field is the value of the first line "name : value" of a file, or "".
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(text) {
		if key, value, ok := bytes.Cut(line, []byte(":")); ok && string(bytes.TrimSpace(key)) == name {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}
