//go:build linux

package uring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

func openTemp(t *testing.T, content string) int {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Open(name, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return fd
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
func (p *trip) loopDevice(f *os.File) *os.File {
	p.Helper()
	const getFree, setFD, clearFD = 0x4c82, 0x4c00, 0x4c01
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		testutil.Lacks(p, testutil.LoopDevices, err)
	}
	p.must(err)
	defer control.Close()
	n, _, errno := syscall.Syscall(syscall.SYS_IOCTL, control.Fd(), getFree, 0)
	if errno != 0 {
		p.Fatal(errno)
	}
	dev, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", n), os.O_RDWR, 0)
	p.must(err)
	p.Cleanup(func() { dev.Close() })
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dev.Fd(), setFD, f.Fd()); errno != 0 {
		testutil.Lacks(p, testutil.LoopDevices, errno)
	}
	p.Cleanup(func() { syscall.Syscall(syscall.SYS_IOCTL, dev.Fd(), clearFD, 0) })
	return dev
}
