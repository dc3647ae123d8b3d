//go:build unix

package evaluate

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// namespaces are the options of unshare that are tried, the strictest first. With --kill-child, and being process 1 of its
// own, a program takes all that it started with it.
var namespaces = [][]string{
	{"--map-root-user", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount", "--"},
	{"--map-root-user", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--"},
}

// ownGroup starts a command in a process group of its own and returns what kills the group.
func ownGroup(cmd *exec.Cmd) (kill func() error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return func() error {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return os.ErrProcessDone
	}
}
