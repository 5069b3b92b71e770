package uring

import (
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
)

func TestMsgRingWithFlags(t *testing.T) {
	p, to := newTrip(t, Config{}), newTrip(t, Config{})
	c := p.complete(noErr(func(s SQE) { s.PrepMsgRingCQEFlags(to.Ring, 5, -7, cgo.CQEFMore|3<<cgo.CQEBufferShift) }))
	needs(t, "flags of messages between rings", kernel.V(6, 3), refusal(c))
	equal(t, "completion of the message", c, CQE{})
	if diff := cmp.Diff(CQE{UserData: 5, Res: -7, Flags: cgo.CQEFMore | 3<<cgo.CQEBufferShift}, to.wait()); diff != "" {
		t.Error(diff)
	}
}

func TestMsgRingHandsDescriptorsOver(t *testing.T) {
	p, to := newTrip(t, Config{}), newTrip(t, Config{})
	in, out := p.pipe()
	p.direct(out)
	p.must(to.RegisterFiles(2))
	from := DirectSlot(0)

	p.want(0, noErr(func(s SQE) { s.PrepMsgRingFD(to.Ring, from, DirectSlot(1), 9) }))
	if diff := cmp.Diff(CQE{UserData: 9}, to.wait()); diff != "" {
		t.Error(diff)
	}
	picked := p.do(noErr(func(s SQE) { s.PrepMsgRingFD(to.Ring, from, DirectAlloc, 10) }))
	if diff := cmp.Diff(CQE{UserData: 10, Res: int32(picked)}, to.wait()); diff != "" {
		t.Error(diff)
	}
	p.fails(syscall.ENFILE, noErr(func(s SQE) { s.PrepMsgRingFD(to.Ring, from, DirectAlloc, 11) }))
	p.want(0, noErr(func(s SQE) {
		s.PrepMsgRingFD(to.Ring, from, DirectSlot(1), 12)
		s.OpFlags = cgo.MsgRingCQESkip
	}))
	to.want(2, noErr(func(s SQE) { s.PrepWrite(DirectSlot(picked).FD(), held([]byte("by")), CurrentOffset) }))
	to.want(2, noErr(func(s SQE) { s.PrepWrite(DirectSlot(1).FD(), held([]byte("e!")), CurrentOffset) }))
	b := make([]byte, 10)
	p.want(4, noErr(func(s SQE) { s.PrepRead(in, b, CurrentOffset) }))
	if string(b[:4]) != "bye!" {
		t.Errorf("read %q", b[:4])
	}
}

func TestFilesUpdate(t *testing.T) {
	p := newTrip(t, Config{})
	p.must(p.RegisterFiles(4))
	in, out := p.pipe()
	p.want(2, noErr(func(s SQE) { s.PrepFilesUpdate(DirectSlot(2), []int32{int32(in), int32(out)}) }))
	p.want(1, noErr(func(s SQE) { s.PrepWrite(DirectSlot(3).FD(), held([]byte("x")), CurrentOffset) }))
	p.want(1, noErr(func(s SQE) { s.PrepRead(DirectSlot(2).FD(), held(make([]byte, 9)), CurrentOffset) }))
	p.want(1, noErr(func(s SQE) { s.PrepFilesUpdate(DirectSlot(3), []int32{-1}) }))
	p.fails(syscall.EBADF, noErr(func(s SQE) { s.PrepWrite(DirectSlot(3).FD(), held([]byte("x")), CurrentOffset) }))

	picked := []int32{int32(out), int32(out), int32(out)}
	p.want(3, noErr(func(s SQE) { s.PrepFilesUpdate(DirectAlloc, picked) }))
	got := map[int32]bool{2: true}
	for _, slot := range picked {
		got[slot] = true
	}
	if diff := cmp.Diff(map[int32]bool{0: true, 1: true, 2: true, 3: true}, got); diff != "" {
		t.Errorf("the kernel picked %v", picked)
	}
	p.want(1, noErr(func(s SQE) { s.PrepWrite(DirectSlot(int(picked[0])).FD(), held([]byte("x")), CurrentOffset) }))
	p.fails(syscall.ENFILE, noErr(func(s SQE) { s.PrepFilesUpdate(DirectAlloc, []int32{int32(out)}) }))
	p.fails(syscall.EINVAL, noErr(func(s SQE) { s.PrepFilesUpdate(DirectSlot(4), []int32{int32(out)}) }))
}

func TestFixedFDInstall(t *testing.T) {
	p := newTrip(t, Config{})
	p.needOp(cgo.OpFixedFDInstall, 6, 8)
	in, out := p.pipe()
	p.direct(out)
	for _, c := range []struct {
		flags    FixedFDFlags
		fdCloexe int
	}{{0, syscall.FD_CLOEXEC}, {FixedFDNoCloexec, 0}} {
		fd := p.do(noErr(func(s SQE) { s.PrepFixedFDInstall(DirectSlot(0), c.flags) }))
		defer syscall.Close(fd)
		if _, err := syscall.Write(fd, []byte("x")); err != nil {
			t.Error(err)
		}
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if errno != 0 || int(flags) != c.fdCloexe {
			t.Errorf("flags %d, %v", flags, errno)
		}
	}
	b := make([]byte, 9)
	p.want(2, noErr(func(s SQE) { s.PrepRead(in, b, CurrentOffset) }))
	p.fails(syscall.EBADF, noErr(func(s SQE) { s.PrepFixedFDInstall(DirectSlot(1), 0) }))
}

func TestPipe(t *testing.T) {
	p := newTrip(t, Config{})
	p.needOp(cgo.OpPipe, 6, 16)
	var fds [2]int32
	p.want(0, noErr(func(s SQE) { s.PrepPipe(&fds, syscall.O_CLOEXEC) }))
	defer syscall.Close(int(fds[0]))
	defer syscall.Close(int(fds[1]))
	p.throughPipe(FD(fds[0]), FD(fds[1]))

	p.must(p.RegisterFiles(4))
	p.want(0, noErr(func(s SQE) { s.PrepPipeDirect(&fds, 0, DirectSlot(2)) }))
	p.throughPipe(DirectSlot(2).FD(), DirectSlot(3).FD())
	p.want(0, noErr(func(s SQE) { s.PrepPipeDirect(&fds, 0, DirectAlloc) }))
	if fds != [2]int32{0, 1} && fds != [2]int32{1, 0} {
		t.Fatalf("the kernel picked %v", fds)
	}
	p.throughPipe(DirectSlot(int(fds[0])).FD(), DirectSlot(int(fds[1])).FD())
	p.fails(syscall.ENFILE, noErr(func(s SQE) { s.PrepPipeDirect(&fds, 0, DirectAlloc) }))
	p.fails(syscall.EINVAL, noErr(func(s SQE) { s.PrepPipeDirect(&fds, syscall.O_CLOEXEC, DirectAlloc) }))
}

func (p *trip) throughPipe(in, out FD) {
	p.Helper()
	b := make([]byte, 10)
	p.want(3, noErr(func(s SQE) { s.PrepWrite(out, held([]byte("abc")), CurrentOffset) }))
	p.want(3, noErr(func(s SQE) { s.PrepRead(in, b, CurrentOffset) }))
	if string(b[:3]) != "abc" {
		p.Fatalf("read %q", b[:3])
	}
}

func TestBuffersProvidedByRequests(t *testing.T) {
	p := newTrip(t, Config{})
	const group, first, size = 7, 40, 8
	mem := make([]byte, 4*size)
	in, out := p.pipe()
	p.must(p.complete(func(s SQE) error { return s.PrepProvideBuffers(mem, size, group, first) }).Err())
	seen := map[uint16]string{}
	read := func(s SQE) error {
		s.PrepRead(in, nil, CurrentOffset)
		s.Len = size
		return s.SetBufGroup(group)
	}
	for _, want := range []string{"one", "two"} {
		_, err := syscall.Write(int(out), []byte(want))
		p.must(err)
		c := p.complete(read)
		id, ok := c.BufferID()
		if !ok || c.Res != int32(len(want)) || id < first || id >= first+4 {
			t.Fatalf("completion %+v", c)
		}
		seen[id] = string(mem[(id-first)*size:][:c.Res])
		if seen[id] != want {
			t.Errorf("buffer %d has %q, want %q", id, seen[id], want)
		}
	}
	if len(seen) != 2 {
		t.Errorf("a buffer was used twice: %v", seen)
	}
	p.want(1, func(s SQE) error { return s.PrepRemoveBuffers(1, group) })
	p.want(1, func(s SQE) error { return s.PrepRemoveBuffers(100, group) })
	_, err := syscall.Write(int(out), []byte("x"))
	p.must(err)
	p.fails(syscall.ENOBUFS, read)
}

func TestGroupsOfBufferRingsAreLeftAlone(t *testing.T) {
	p := newTrip(t, Config{})
	_, err := p.NewBufRing(BufRingConfig{Group: 3, Entries: 1, BufSize: 8})
	p.must(err)
	for name, prep := range map[string]func(SQE) error{
		"provide": func(s SQE) error { return s.PrepProvideBuffers(held(make([]byte, 8)), 8, 3, 0) },
		"remove":  func(s SQE) error { return s.PrepRemoveBuffers(1, 3) },
		"select":  func(s SQE) error { return s.SetBufGroup(3) },
	} {
		if err := prep(p.next()); err != errRingGroup {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCommandsAndEntriesOf128Bytes(t *testing.T) {
	narrow := newTrip(t, Config{})
	for name, prep := range map[string]func(SQE) error{
		"nop":              func(s SQE) error { return s.PrepNop128() },
		"command":          func(s SQE) error { return s.PrepUringCmd128(0, 0, nil) },
		"17 bytes of data": func(s SQE) error { return s.PrepUringCmd(0, 0, make([]byte, 17)) },
	} {
		if err := prep(narrow.next()); err == nil {
			t.Errorf("%s: not refused on a ring with entries of 64 bytes", name)
		}
	}
	p := newTrip(t, Config{Flags: SetupSQE128})
	data := make([]byte, 80)
	for i := range data {
		data[i] = byte(i + 1)
	}
	for name, prep := range map[string]func(SQE) error{
		"uring_cmd":    func(s SQE) error { return s.PrepUringCmd(0, 1, data) },
		"uring_cmd128": func(s SQE) error { return s.PrepUringCmd128(0, 1, data) },
	} {
		s := p.next()
		p.must(prep(s))
		if diff := cmp.Diff(data, s.Cmd(80)); diff != "" {
			t.Errorf("%s: data in the entry: %s", name, diff)
		}
		s.PrepNop() // what the command is does not exist
		p.must(p.wait().Err())
	}
	f, _ := p.file()
	p.fails(syscall.EOPNOTSUPP, func(s SQE) error { return s.PrepUringCmd(FD(f.Fd()), 1, nil) })
	p.needOp(cgo.OpNop128, 6, 19)
	p.want(0, func(s SQE) error { return s.PrepNop128() })
	p.fails(syscall.EOPNOTSUPP, func(s SQE) error { return s.PrepUringCmd128(FD(f.Fd()), 1, nil) })
}

// Files whose commands move bytes are devices. What others answer shows that the
// kernel takes the flag and the buffer: of flags that it does not know it says
// EINVAL, since Linux 6.7.
func TestCommandWithARegisteredBuffer(t *testing.T) {
	g := newRig(t, Config{})
	a, b := g.unixPair()
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
	s := g.take()
	g.must(s.PrepUringCmdFixed(FD(a), 7, reg, data))
	equal(t, "entry", *s.SQE, func() cgo.SQE {
		e := cgo.SQE{Opcode: cgo.OpUringCmd, FD: int32(a), Off: words(7, 0), OpFlags: cgo.UringCmdFixed, BufIndex: reg.Index()}
		copy(e.Cmd(16), data)
		return e
	}())
	wantError(t, s.PrepUringCmdFixed(FD(a), 7, reg, make([]byte, 17)), "room for 16")
	wantError(t, s.PrepUringCmdFixed(FD(a), 7, RegBuf{}, nil), "RegBuf is empty")
	other := newRig(t, Config{})
	wantError(t, other.take().PrepUringCmdFixed(FD(a), 7, reg, nil), "not registered with this ring")
}

// Only a block device can discard; what a file answers shows that the command
// arrived.
func TestDiscardNeedsABlockDevice(t *testing.T) {
	p := newTrip(t, Config{})
	f, _ := p.file()
	p.fails(syscall.EOPNOTSUPP, noErr(func(s SQE) { s.PrepDiscard(FD(f.Fd()), 0, 4096) }))
}
