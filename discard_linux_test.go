package uring

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

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

func TestDiscard(t *testing.T) {
	p := newTrip(t, Config{})
	f, path := p.file()
	const block = 64 << 10
	p.must(os.WriteFile(path, bytes.Repeat([]byte{'x'}, 4*block), 0o600))
	dev := FD(p.loopDevice(f).Fd())
	c := p.complete(noErr(func(s SQE) { s.PrepDiscard(dev, block, 2*block) }))
	needs(t, "discarding", kernel.V(6, 12), refusal(c))
	equal(t, "completion", c, CQE{})
	want := bytes.Repeat([]byte{'x'}, 4*block)
	clear(want[block : 3*block])
	if got := p.content(path); got != string(want) {
		t.Errorf("%d bytes are still there, want %d", bytes.Count([]byte(got), []byte{'x'}), 2*block)
	}
	p.fails(syscall.EINVAL, noErr(func(s SQE) { s.PrepDiscard(dev, 1, block) }))
}
