//go:build linux

package uring

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// socket opens a socket, until the test ends.
func (p *trip) socket(typ int) FD {
	p.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, typ|syscall.SOCK_CLOEXEC, 0)
	p.must(err)
	p.Cleanup(func() { syscall.Close(fd) })
	return FD(fd)
}

// loopback is a port on the loopback interface.
func (p *trip) loopback(port uint16) Sockaddr {
	p.Helper()
	a, err := InetAddr(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	p.must(err)
	return a
}

// name returns the socket's own port, as the system call tells it.
func (p *trip) port(fd FD) uint16 {
	p.Helper()
	sa, err := syscall.Getsockname(int(fd))
	p.must(err)
	return uint16(sa.(*syscall.SockaddrInet4).Port)
}

func TestBindListenAccept(t *testing.T) {
	p := newTrip(t, Config{})
	p.needOp(cgo.OpBind, 6, 11)
	p.must(p.RegisterFiles(2))
	listener, client := p.socket(syscall.SOCK_STREAM), p.socket(syscall.SOCK_STREAM)
	p.want(0, noErr(func(s SQE) { s.PrepBind(listener, p.loopback(0)) }))
	p.want(0, noErr(func(s SQE) { s.PrepListen(listener, 4) }))
	port := p.port(listener)
	p.want(0, noErr(func(s SQE) { s.PrepConnect(client, p.loopback(port)) }))

	var peer Sockaddr
	fd := p.do(noErr(func(s SQE) { s.PrepAcceptAddr(listener, syscall.SOCK_CLOEXEC, &peer) }))
	defer syscall.Close(fd)
	want := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), p.port(client))
	if got, _ := peer.AddrPort(); got != want {
		t.Errorf("the connection comes from %v, want %v", got, want)
	}

	other := p.socket(syscall.SOCK_STREAM)
	p.want(0, noErr(func(s SQE) { s.PrepConnect(other, p.loopback(port)) }))
	p.want(0, noErr(func(s SQE) { s.PrepAcceptAddrDirect(listener, 0, &peer, DirectSlot(1)) }))
	if got, _ := peer.AddrPort(); got.Port() != p.port(other) {
		t.Errorf("the connection comes from %v, want port %d", got, p.port(other))
	}
	p.want(2, noErr(func(s SQE) { s.PrepSend(DirectSlot(1).FD(), held([]byte("hi")), 0) }))
	p.fails(syscall.EADDRINUSE, noErr(func(s SQE) { s.PrepBind(p.socket(syscall.SOCK_STREAM), p.loopback(port)) }))
}

func TestSocketCommands(t *testing.T) {
	p := newTrip(t, Config{})
	a, b := testutil.TCPPair(t)
	testutil.Need(t, HaveSocketOptions)
	value := make([]byte, 4)
	p.want(4, noErr(func(s SQE) { s.PrepGetsockopt(FD(a), syscall.SOL_SOCKET, syscall.SO_TYPE, value) }))
	if got := binary.NativeEndian.Uint32(value); got != syscall.SOCK_STREAM {
		t.Errorf("SO_TYPE is %d", got)
	}
	p.fails(syscall.EOPNOTSUPP, noErr(func(s SQE) {
		s.PrepGetsockopt(FD(a), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, value)
	}))
	_, err := syscall.Write(b, []byte("12345"))
	p.must(err)
	p.want(int(readable), noErr(func(s SQE) { s.PrepPollAdd(FD(a), readable) }))
	p.want(5, noErr(func(s SQE) { s.PrepSIOCINQ(FD(a)) }))
	p.want(5, func(s SQE) error { return s.PrepUringCmd(p.direct(FD(a)), cgo.SocketOpSIOCINQ, nil) })
	for deadline := time.Now().Add(5 * time.Second); p.do(noErr(func(s SQE) { s.PrepSIOCOUTQ(FD(b)) })) != 0; {
		if time.Now().After(deadline) {
			t.Fatal("bytes are not acknowledged")
		}
	}
	in, _ := p.pipe()
	p.fails(syscall.EOPNOTSUPP, noErr(func(s SQE) { s.PrepSIOCINQ(in) }))
}

const readable = 1 // POLLIN

func TestSIOCOUTQCountsWhatThePeerDoesNotRead(t *testing.T) {
	p := newTrip(t, Config{})
	a, b := testutil.TCPPair(t)
	testutil.Need(t, HaveSocketOptions)
	p.must(syscall.SetsockoptInt(b, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096))
	sent := 0
	for {
		n, err := syscall.SendmsgN(a, make([]byte, 64<<10), nil, nil, syscall.MSG_DONTWAIT)
		if err == syscall.EAGAIN {
			break
		}
		p.must(err)
		sent += n
	}
	queued := p.do(noErr(func(s SQE) { s.PrepSIOCOUTQ(FD(a)) }))
	if queued <= 0 || queued > sent {
		t.Errorf("%d bytes of %d are queued", queued, sent)
	}
}

func TestNamesOfSockets(t *testing.T) {
	p := newTrip(t, Config{})
	a, b := testutil.TCPPair(t)
	var own, peer Sockaddr
	c := p.complete(noErr(func(s SQE) { s.PrepGetsockname(FD(a), &own) }))
	needs(t, "names of sockets", kernel.V(6, 19), refusal(c))
	p.must(c.Err())
	p.want(0, noErr(func(s SQE) { s.PrepGetpeername(FD(b), &peer) }))
	got, _ := own.AddrPort()
	same, _ := peer.AddrPort()
	if got != same || got.Port() != p.port(FD(a)) {
		t.Errorf("getsockname %v, getpeername of the other end %v, port %d", got, same, p.port(FD(a)))
	}
}

func TestTxTimestamps(t *testing.T) {
	narrow := newTrip(t, Config{})
	if err := narrow.next().PrepTxTimestampMultishot(0); err == nil {
		t.Error("not refused on a ring with completions of 16 bytes")
	}
	p := newTrip(t, Config{Flags: SetupCQE32})
	a, _ := testutil.UDPPair(t)
	const timestamping, softwareWithIDs = 37, 1<<1 | 1<<4 | 1<<7 | 1<<11 // TX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY
	p.must(syscall.SetsockoptInt(a, syscall.SOL_SOCKET, timestamping, softwareWithIDs))
	p.start(7, func(s SQE) error { return s.PrepTxTimestampMultishot(FD(a)) })
	if p.Ready() > 0 {
		needs(t, "transmit timestamps", kernel.V(6, 17), refusal(p.wait()))
		t.Fatal("it completed before anything was sent")
	}
	for key := range int32(3) {
		before := readClock(t, 0)
		_, err := syscall.Write(a, []byte("x"))
		p.must(err)
		_, err = p.SubmitAndWaitTimeout(1, 5*time.Second)
		p.must(err)
		stamp := p.q.BigCQE(p.head)
		at := time.Duration(stamp[0])*time.Second + time.Duration(stamp[1])
		c := p.wait()
		if c.UserData != 7 || c.Res != key || !c.More() {
			t.Errorf("completion %v, want key %d", c, key)
		}
		if at < before-time.Millisecond || at > readClock(t, 0)+time.Millisecond {
			t.Errorf("stamped %v after it was sent", at-before)
		}
	}
}

func TestSendToAnAddress(t *testing.T) {
	p := newTrip(t, Config{})
	from, to := p.socket(syscall.SOCK_DGRAM), p.socket(syscall.SOCK_DGRAM)
	for _, fd := range []FD{from, to} {
		p.must(syscall.Bind(int(fd), &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	}
	addr := p.loopback(p.port(to))
	received := func() string {
		t.Helper()
		b := make([]byte, 100)
		n, peer, err := syscall.Recvfrom(int(to), b, 0)
		p.must(err)
		if got := peer.(*syscall.SockaddrInet4).Port; got != int(p.port(from)) {
			t.Errorf("from port %d, want %d", got, p.port(from))
		}
		return string(b[:n])
	}
	p.want(3, noErr(func(s SQE) { s.PrepSendTo(from, held([]byte("one")), 0, addr) }))
	if got := received(); got != "one" {
		t.Errorf("received %q", got)
	}
	p.want(3, func(s SQE) error {
		p.must(s.PrepSendZC(from, held([]byte("two")), 0, 0))
		return s.PrepSendSetAddr(addr)
	})
	if c := p.wait(); !c.Notif() {
		t.Errorf("completion %v, want the notification", c)
	}
	if got := received(); got != "two" {
		t.Errorf("received %q", got)
	}
	p.fails(syscall.EDESTADDRREQ, noErr(func(s SQE) { s.PrepSend(from, held([]byte("nowhere")), 0) }))
	s := p.next()
	s.PrepRecv(to, held(make([]byte, 1)), 0)
	if err := s.PrepSendSetAddr(addr); err == nil {
		t.Error("an address for a receive is not refused")
	}
}

func TestSendVectorized(t *testing.T) {
	testutil.Need(t, HaveSendVectorized)
	p := newTrip(t, Config{})
	a, b := testutil.TCPPair(t)
	parts := [][]byte{[]byte("several "), nil, []byte("parts")}
	p.want(13, func(s SQE) error { return s.PrepSendVectorized(FD(a), parts, 0) })
	p.want(13, func(s SQE) error { return s.PrepSendZCVectorized(FD(a), parts, 0, ReportUsage) })
	if c := p.wait(); !c.Notif() {
		t.Errorf("completion %v, want the notification", c)
	}
	got := make([]byte, 26)
	p.want(26, noErr(func(s SQE) { s.PrepRecv(FD(b), got, syscall.MSG_WAITALL) }))
	if string(got) != "several partsseveral parts" {
		t.Errorf("received %q", got)
	}
}

func TestSendAndRecvFixed(t *testing.T) {
	testutil.Need(t, HaveSendFixed)
	p := newTrip(t, Config{})
	arena, err := NewArena(ArenaConfig{Size: 4096})
	p.must(err)
	defer arena.Close()
	reg, err := p.RegisterArena(arena)
	p.must(err)
	defer p.UnregisterArena(reg)
	a, b := testutil.TCPPair(t)
	mem := reg.Bytes()
	copy(mem, "registered")
	p.want(10, func(s SQE) error { return s.PrepSendFixed(FD(a), reg, mem[:10], 0) })
	p.want(10, func(s SQE) error { return s.PrepRecvFixed(FD(b), reg, mem[100:110], syscall.MSG_WAITALL) })
	if got := string(mem[100:110]); got != "registered" {
		t.Errorf("received %q", got)
	}
}

func TestSendFixedOutsideTheBufferIsRefused(t *testing.T) {
	p := newTrip(t, Config{})
	if err := p.next().PrepSendFixed(0, RegBuf{}, []byte("x"), 0); err == nil {
		t.Error("not refused")
	}
	if err := p.next().PrepRecvFixed(0, RegBuf{}, []byte("x"), 0); err == nil {
		t.Error("not refused")
	}
}

func TestSendBundleOfAGroup(t *testing.T) {
	testutil.Need(t, HaveSendBundles)
	p := newTrip(t, Config{})
	a, b := testutil.TCPPair(t)
	const group = 9
	p.must(p.complete(func(s SQE) error { return s.PrepProvideBuffers(held([]byte("abcdef")), 3, group, 0) }).Err())
	c := p.complete(func(s SQE) error { return s.PrepSendBundle(FD(a), group, 0, 0) })
	want := ""
	for ; c.Res > 0; c = p.wait() {
		id, ok := c.BufferID()
		if !ok {
			t.Fatalf("completion %v names no buffer", c)
		}
		want += "abcdef"[3*id:][:c.Res]
		if !c.More() {
			break
		}
	}
	if c.Res < 0 && c.Err() != syscall.ENOBUFS || len(want) != 6 {
		t.Fatalf("sent %q, then %v", want, c)
	}
	got := make([]byte, 6)
	p.want(6, noErr(func(s SQE) { s.PrepRecv(FD(b), got, syscall.MSG_WAITALL) }))
	if string(got) != want {
		t.Errorf("received %q, sent %q", got, want)
	}
	p.fails(syscall.ENOBUFS, func(s SQE) error { return s.PrepSendBundle(FD(a), group, 0, 0) })
}

// Without a network device that supports it all that can be seen is that the
// kernel takes the request, and misses the instance it names.
func TestRecvZCNeedsAnInstance(t *testing.T) {
	narrow := newTrip(t, Config{})
	if err := narrow.next().PrepRecvZCMultishot(0, 0, 0); err == nil {
		t.Error("not refused on a ring with completions of 16 bytes")
	}
	p := newTrip(t, Config{Flags: SetupCQE32})
	p.needOp(cgo.OpRecvZC, 6, 15)
	a, _ := testutil.TCPPair(t)
	p.fails(syscall.EINVAL, func(s SQE) error { return s.PrepRecvZCMultishot(FD(a), 0, 0) })
}

func TestEpoll(t *testing.T) {
	p := newTrip(t, Config{})
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	p.must(err)
	defer syscall.Close(epfd)
	in, out := p.pipe()
	ev := EpollEvent{Events: syscall.EPOLLIN, Fd: 1234, Pad: 5678}
	p.want(0, noErr(func(s SQE) { s.PrepEpollCtl(epfd, syscall.EPOLL_CTL_ADD, int(in), ev) }))
	p.fails(syscall.EEXIST, noErr(func(s SQE) { s.PrepEpollCtl(epfd, syscall.EPOLL_CTL_ADD, int(in), ev) }))
	_, err = syscall.Write(int(out), []byte("x"))
	p.must(err)
	var seen [4]syscall.EpollEvent
	n, err := syscall.EpollWait(epfd, seen[:], 1000)
	p.must(err)
	if diff := cmp.Diff([]syscall.EpollEvent{{Events: syscall.EPOLLIN, Fd: 1234, Pad: 5678}}, seen[:n]); diff != "" {
		t.Error(diff)
	}

	p.needOp(cgo.OpEpollWait, 6, 15)
	var events [4]EpollEvent
	p.want(1, noErr(func(s SQE) { s.PrepEpollWait(FD(epfd), events[:]) }))
	if diff := cmp.Diff(ev, events[0]); diff != "" {
		t.Error(diff)
	}
	p.want(1, noErr(func(s SQE) { s.PrepRead(in, held(make([]byte, 9)), CurrentOffset) }))
	p.start(1, noErr(func(s SQE) { s.PrepEpollWait(FD(epfd), events[:]) }))
	p.start(2, noErr(func(s SQE) {
		s.PrepEpollCtl(epfd, syscall.EPOLL_CTL_MOD, int(in), EpollEvent{Events: syscall.EPOLLIN, Fd: 77})
	}))
	if diff := cmp.Diff(map[uint64]int32{2: 0}, p.one()); diff != "" {
		t.Error(diff)
	}
	_, err = syscall.Write(int(out), []byte("x"))
	p.must(err)
	if diff := cmp.Diff(map[uint64]int32{1: 1}, p.one()); diff != "" || events[0].Fd != 77 {
		t.Errorf("%+v %s", events[0], diff)
	}
}
