//go:build unix

package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// crashFolder tells the test binary, when it is started by TestKill, where to write until it is killed.
const crashFolder = "DURABLE_TEST_CRASH_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(crashFolder); folder != "" {
		writeForever(folder)
	}
	os.Exit(m.Run())
}

// writeForever replaces a directory and a file again and again. All files of one generation hold the same number.
func writeForever(folder string) {
	release, err := Lock(folder)
	for generation := 0; err == nil; generation++ {
		content := strings.Repeat(fmt.Sprintf("%d\n", generation), 2000)
		var d *Dir
		if d, err = NewDir(filepath.Join(folder, "model"), true); err != nil {
			break
		}
		err = errors.Join(d.WriteFile("a", text(content)), d.WriteFile("b", text(content)), d.WriteManifest(), d.Commit(),
			WriteFile(filepath.Join(folder, "log"), text(content)))
	}
	fmt.Fprintln(os.Stderr, err)
	release()
	os.Exit(1)
}

// A process killed at any moment leaves complete files and directories after RemoveStale, and no lock.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	folder := t.TempDir()
	started := false
	for round := range 30 {
		child := exec.Command(os.Args[0], "-test.run=^$")
		child.Env = append(os.Environ(), crashFolder+"="+folder)
		child.Stderr = os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(20+round*3) * time.Millisecond)
		child.Process.Kill()
		child.Wait()
		if code := child.ProcessState.Sys().(syscall.WaitStatus); !code.Signaled() {
			t.Fatalf("round %d: the writer stopped by itself: %v", round, child.ProcessState)
		}

		release, err := Lock(folder)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if _, err := RemoveStale(folder); err != nil {
			t.Fatal(err)
		}
		if exists(filepath.Join(folder, "model")) {
			started = true
			if err := Verify(filepath.Join(folder, "model")); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		} else if started {
			t.Fatalf("round %d: the directory is gone", round)
		}
		release()
		for _, name := range names(t, folder) {
			if name != "model" && name != "log" {
				t.Fatalf("round %d: %s was left", round, name)
			}
		}
	}
	if !started {
		t.Skip("the machine is too slow: no round completed a directory")
	}
}

// On a real full disk the error names the path and the room, and the old content stays.
func TestDiskFull(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("mounts a small tmpfs, which needs linux")
	}
	disk := t.TempDir()
	if err := mountSmallDisk(disk); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, 0) })

	path := filepath.Join(disk, "state")
	if err := WriteFile(path, text("old")); err != nil {
		t.Fatal(err)
	}
	tooMuch := func(w io.Writer) error {
		for range 1024 {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return fmt.Errorf("caller: %w", err)
			}
		}
		return nil
	}
	d := newDir(t, filepath.Join(disk, "model"), false)
	for what, err := range map[string]error{
		"WriteFile":     WriteFile(path, tooMuch),
		"Dir.WriteFile": d.WriteFile("weights", tooMuch),
		"Require":       Require(filepath.Join(disk, "model"), 4<<20),
	} {
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), disk) || !strings.Contains(err.Error(), "bytes are free") {
			t.Errorf("%s: got %v, expected a full disk, its path and its room", what, err)
		}
	}
	expectContent(t, path, "old")
	if err := d.Discard(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, disk); len(got) != 1 {
		t.Errorf("the disk holds %q", got)
	}
}
