//go:build linux

package uring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// newFile returns a file with this content, until the test ends.
func newFile(tb testing.TB, content string) *os.File {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return f
}

func content(t *testing.T, fd int) string {
	t.Helper()
	p := make([]byte, 4096)
	n, err := syscall.Pread(fd, p, 0)
	if err != nil {
		t.Fatal(err)
	}
	return string(p[:n])
}

// loopDevice returns a block device over the file, until the test ends.
func (g *rig) loopDevice(f *os.File) *os.File {
	g.Helper()
	const getFree, setFD, clearFD = 0x4c82, 0x4c00, 0x4c01
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		testutil.Lacks(g, testutil.LoopDevices, err)
	}
	g.must(err)
	defer control.Close()
	n, _, errno := syscall.Syscall(syscall.SYS_IOCTL, control.Fd(), getFree, 0)
	if errno != 0 {
		g.Fatal(errno)
	}
	dev, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
	g.must(err)
	g.Cleanup(func() { dev.Close() })
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dev.Fd(), setFD, f.Fd()); errno != 0 {
		testutil.Lacks(g, testutil.LoopDevices, errno)
	}
	g.Cleanup(func() { syscall.Syscall(syscall.SYS_IOCTL, dev.Fd(), clearFD, 0) })
	return dev
}

// file returns an empty file and its path, until the test ends.
func (g *rig) file() (*os.File, string) {
	g.Helper()
	f := newFile(g, "")
	return f, f.Name()
}

// pipe returns the two ends of a pipe, until the test ends.
func (g *rig) pipe() (in, out FD) {
	g.Helper()
	fds, rc := cgo.Pipe()
	g.must(check("pipe", rc))
	g.Cleanup(func() { syscall.Close(fds[0]); syscall.Close(fds[1]) })
	return FD(fds[0]), FD(fds[1])
}

// firstDirect puts a descriptor into the first slot of a table of 4.
func (g *rig) firstDirect(fd FD) FD {
	g.Helper()
	g.must(g.RegisterFiles(4))
	g.must(g.UpdateFile(DirectSlot(0), int(fd)))
	return DirectSlot(0).FD()
}

func (g *rig) content(path string) string {
	g.Helper()
	b, err := os.ReadFile(path)
	g.must(err)
	return string(b)
}
