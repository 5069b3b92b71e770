//go:build linux

package uring

import (
	"bytes"
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

func TestCommandsAndEntriesOf128Bytes(t *testing.T) {
	narrow := newRig(t, Config{})
	for name, prep := range map[string]func(SQE) error{
		"nop":              func(s SQE) error { return s.PrepNop128() },
		"command":          func(s SQE) error { return s.PrepUringCmd128(0, 0, nil) },
		"17 bytes of data": func(s SQE) error { return s.PrepUringCmd(0, 0, make([]byte, 17)) },
	} {
		if err := prep(narrow.sqe()); err == nil {
			t.Errorf("%s: not refused on a ring with entries of 64 bytes", name)
		}
	}
	g := newRig(t, Config{Flags: SetupSQE128})
	data := make([]byte, 80)
	for i := range data {
		data[i] = byte(i + 1)
	}
	for name, prep := range map[string]func(SQE) error{
		"uring_cmd":    func(s SQE) error { return s.PrepUringCmd(0, 1, data) },
		"uring_cmd128": func(s SQE) error { return s.PrepUringCmd128(0, 1, data) },
	} {
		s := g.sqe()
		g.must(prep(s))
		if diff := cmp.Diff(data, s.Cmd(80)); diff != "" {
			t.Errorf("%s: data in the entry: %s", name, diff)
		}
		s.PrepNop() // what the command is does not exist
		g.must(g.next().Err())
	}
	f, _ := g.file()
	g.fails(syscall.EOPNOTSUPP, func(s SQE) { g.must(s.PrepUringCmd(FD(f.Fd()), 1, nil)) })
	g.needOp(cgo.OpNop128, 6, 19)
	g.want(0, func(s SQE) { g.must(s.PrepNop128()) })
	g.fails(syscall.EOPNOTSUPP, func(s SQE) { g.must(s.PrepUringCmd128(FD(f.Fd()), 1, nil)) })
}

// Files whose commands move bytes are devices. What others answer shows that the
// kernel takes the flag and the buffer: of flags that it does not know it says
// EINVAL, since Linux 6.7.
func TestCommandWithARegisteredBuffer(t *testing.T) {
	g := newRig(t, Config{})
	a, b := streamPair(g)
	reg := g.register(4096)
	g.write(b, "12345")
	inq := func(s SQE) { g.must(s.PrepUringCmdFixed(FD(a), cgo.SocketOpSIOCINQ, reg, nil)) }
	g.fails(syscall.EOPNOTSUPP, inq) // no TCP
	if hasLinux(t, kernel.V(6, 7)) {
		g.fails(syscall.EINVAL, func(s SQE) {
			inq(s)
			s.OpFlags = 1 << 20
		})
	}
	data := []byte("0123456789abcdef")
	s := g.sqe()
	g.must(s.PrepUringCmdFixed(FD(a), 7, reg, data))
	equal(t, "entry", *s.SQE, func() cgo.SQE {
		e := cgo.SQE{Opcode: cgo.OpUringCmd, FD: int32(a), Off: words(7, 0), OpFlags: cgo.UringCmdFixed, BufIndex: reg.Index()}
		copy(e.Cmd(16), data)
		return e
	}())
	wantError(t, s.PrepUringCmdFixed(FD(a), 7, reg, make([]byte, 17)), "room for 16")
	wantError(t, s.PrepUringCmdFixed(FD(a), 7, RegBuf{}, nil), "RegBuf is empty")
	other := newRig(t, Config{})
	wantError(t, other.sqe().PrepUringCmdFixed(FD(a), 7, reg, nil), "not registered with this ring")
}

// Only a block device can discard; what a file answers shows that the command
// arrived.
func TestDiscardNeedsABlockDevice(t *testing.T) {
	g := newRig(t, Config{})
	f, _ := g.file()
	g.fails(syscall.EOPNOTSUPP, func(s SQE) { s.PrepDiscard(FD(f.Fd()), 0, 4096) })
}

func TestDiscard(t *testing.T) {
	g := newRig(t, Config{})
	f, path := g.file()
	const block = 64 << 10
	g.must(os.WriteFile(path, bytes.Repeat([]byte{'x'}, 4*block), 0o600))
	dev := FD(g.loopDevice(f).Fd())
	c := g.answer(func(s SQE) { s.PrepDiscard(dev, block, 2*block) })
	needs(t, "discarding", kernel.V(6, 12), refusal(c))
	equal(t, "completion", c, CQE{})
	want := bytes.Repeat([]byte{'x'}, 4*block)
	clear(want[block : 3*block])
	if got := g.content(path); got != string(want) {
		t.Errorf("%d bytes are still there, want %d", bytes.Count([]byte(got), []byte{'x'}), 2*block)
	}
	g.fails(syscall.EINVAL, func(s SQE) { s.PrepDiscard(dev, 1, block) })
}
