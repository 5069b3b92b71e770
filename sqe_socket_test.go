//go:build linux

package uring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

func TestAccept(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		l := listen(t, syscall.AF_INET, loopback4)
		g.queue(1, func(s SQE) { s.PrepAccept(FD(l), syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK) })
		g.submit()
		client := dial(t, l)
		c := g.await(1)[0]
		g.must(c.Err())
		fd := g.owned(int(c.Res))
		g.write(client, "hello")
		equal(t, "received", g.read(fd), "hello")
		flags, _, _ := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
		equal(t, "does not block", flags&syscall.O_NONBLOCK, uintptr(syscall.O_NONBLOCK))
		flags, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		equal(t, "is closed by exec", flags, uintptr(syscall.FD_CLOEXEC))
	})
}

func TestAcceptFlags(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		l := listen(t, syscall.AF_INET, loopback4)
		with := func(f AcceptFlags) func(SQE) {
			return func(s SQE) {
				s.PrepAccept(FD(l), 0)
				g.must(s.SetAcceptFlags(f))
			}
		}
		needs(t, "flags of accept requests", kernel.V(6, 10), refusal(g.answer(with(AcceptDontWait))))
		g.fails(syscall.EAGAIN, with(AcceptDontWait))
		dial(t, l)
		// With both flags it must not wait, and not try without waiting.
		g.fails(syscall.EAGAIN, with(AcceptDontWait|AcceptPollFirst))
		g.owned(g.do(with(AcceptDontWait)))
		dial(t, l)
		g.owned(g.do(with(AcceptPollFirst))) // though it was there first
		g.queue(1, with(AcceptPollFirst))
		g.submit()
		dial(t, l)
		g.owned(int(g.await(1)[0].Res))

		dial(t, l)
		dial(t, l)
		g.queue(1, func(s SQE) {
			s.PrepAcceptMultishot(FD(l), 0)
			g.must(s.SetAcceptFlags(AcceptDontWait))
		})
		c := g.await(3)
		g.owned(int(c[0].Res))
		g.owned(int(c[1].Res))
		equal(t, "end", c[2], CQE{UserData: 1, Res: errno(syscall.EAGAIN)})
	})
}

func TestSetAcceptFlagsRefusals(t *testing.T) {
	g := newRig(t, Config{})
	s := g.sqe()
	s.PrepAccept(0, 0)
	wantError(t, s.SetAcceptFlags(syscall.SOCK_CLOEXEC>>16|1<<7), "those of accept4")
	s.PrepRecv(0, nil, 0)
	wantError(t, s.SetAcceptFlags(AcceptDontWait), "Prep methods that accept")
	g.submit() // nothing that posts a completion
	g.none()
}

func TestAcceptMultishot(t *testing.T) {
	testutil.Need(t, HaveAcceptMultishot)
	inEachMode(t, func(t *testing.T, g *rig) {
		l := listen(t, syscall.AF_INET, loopback4)
		g.queue(1, func(s SQE) { s.PrepAcceptMultishot(FD(l), syscall.SOCK_CLOEXEC) })
		g.submit()
		for i := range 3 {
			client := dial(t, l)
			c := g.await(1)[0]
			g.must(c.Err())
			equal(t, "more", c.More(), true)
			fd := g.owned(int(c.Res))
			g.write(client, fmt.Sprint("hello ", i))
			equal(t, "received", g.read(fd), fmt.Sprint("hello ", i))
		}
		g.queue(2, func(s SQE) { s.PrepCancel(1, 0) })
		equal(t, "end", g.byUserData(2)[1], CQE{UserData: 1, Res: errno(syscall.ECANCELED)})
	})
}

func TestAcceptDirect(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		l := listen(t, syscall.AF_INET, loopback4)
		g.must(g.RegisterFiles(8))
		p := make([]byte, 16)
		g.must(g.SetFileAllocRange(DirectSlot(2), 1))
		for _, c := range []struct {
			slot   Direct
			result int32
			used   int
		}{{DirectSlot(5), 0, 5}, {DirectAlloc, 2, 2}, {DirectSlot(0), 0, 0}} { // old kernels look for a free slot behind the last one used
			g.queue(1, func(s SQE) { s.PrepAcceptDirect(FD(l), 0, c.slot) })
			g.submit()
			client := dial(t, l)
			equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: c.result}})
			g.write(client, "hello")
			n := g.do(func(s SQE) { s.PrepRecv(DirectSlot(c.used).FD(), p, 0) })
			equal(t, "received", string(p[:n]), "hello")
		}
		g.fails(syscall.EINVAL, func(s SQE) { s.PrepAcceptDirect(FD(l), syscall.SOCK_CLOEXEC, DirectSlot(1)) })
	})
}

func TestAcceptMultishotDirect(t *testing.T) {
	testutil.Need(t, HaveAcceptMultishotDirect)
	inEachMode(t, func(t *testing.T, g *rig) {
		l := listen(t, syscall.AF_INET, loopback4)
		g.must(g.RegisterFiles(3))
		listener := g.direct(0, l)
		g.queue(1, func(s SQE) { s.PrepAcceptMultishotDirect(listener.FD(), 0) })
		g.submit()
		p := make([]byte, 16)
		for slot := 1; slot <= 2; slot++ {
			client := dial(t, l)
			c := g.await(1)[0]
			equal(t, "slot", int(c.Res), slot)
			equal(t, "more", c.More(), true)
			g.write(client, "hello")
			n := g.do(func(s SQE) { s.PrepRecv(DirectSlot(slot).FD(), p, 0) })
			equal(t, "received", string(p[:n]), "hello")
		}
		dial(t, l)
		c := g.await(1)[0]
		equal(t, "error of a full table", c.Err(), error(syscall.ENFILE))
		equal(t, "more", c.More(), false)
	})
}

func TestConnect(t *testing.T) {
	ipv4 := listen(t, syscall.AF_INET, loopback4)
	path := filepath.Join(t.TempDir(), "socket")
	unix := listen(t, syscall.AF_UNIX, &syscall.SockaddrUnix{Name: path})
	name := fmt.Sprintf("@uring-test-%d", time.Now().UnixNano())
	abstract := listen(t, syscall.AF_UNIX, &syscall.SockaddrUnix{Name: name})
	to := func(a Sockaddr, err error) Sockaddr {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	type server struct {
		domain, listener int
		addr             Sockaddr
	}
	servers := map[string]server{
		"IPv4":     {syscall.AF_INET, ipv4, to(InetAddr(localAddr(t, ipv4)))},
		"UNIX":     {syscall.AF_UNIX, unix, to(UnixAddr(path))},
		"abstract": {syscall.AF_UNIX, abstract, to(UnixAddr(name))},
	}
	if hasIPv6(t) {
		ipv6 := listen(t, syscall.AF_INET6, &syscall.SockaddrInet6{Addr: netip.IPv6Loopback().As16()})
		servers["IPv6"] = server{syscall.AF_INET6, ipv6, to(InetAddr(localAddr(t, ipv6)))}
	}
	for name, c := range servers {
		t.Run(name, func(t *testing.T) {
			inEachMode(t, func(t *testing.T, g *rig) {
				fd := newSocket(t, c.domain, syscall.SOCK_STREAM)
				g.do(func(s SQE) { s.PrepConnect(FD(fd), c.addr) })
				peer := g.owned(g.do(func(s SQE) { s.PrepAccept(FD(c.listener), 0) }))
				g.write(peer, "hello")
				equal(t, "received", g.read(fd), "hello")
			})
		})
	}
}

// hasIPv6 says whether the loopback interface has an IPv6 address. Containers
// often lack it.
func hasIPv6(t *testing.T) bool {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if errors.Is(err, syscall.EAFNOSUPPORT) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	err = syscall.Bind(fd, &syscall.SockaddrInet6{Addr: netip.IPv6Loopback().As16()})
	return !errors.Is(err, syscall.EADDRNOTAVAIL)
}

func TestConnectFails(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		closed := boundSocket(t, syscall.AF_INET, syscall.SOCK_STREAM, loopback4) // does not listen
		addr, err := InetAddr(localAddr(t, closed))
		g.must(err)
		fd := newSocket(t, syscall.AF_INET, syscall.SOCK_STREAM)
		g.fails(syscall.ECONNREFUSED, func(s SQE) { s.PrepConnect(FD(fd), addr) })
		g.fails(syscall.EINVAL, func(s SQE) { s.PrepConnect(FD(fd), Sockaddr{}) })
	})
}

// Each of many connects has memory of its own for its address.
func TestConnectsInOneSubmit(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		var listeners, fds []int
		for i := range 8 {
			l := listen(t, syscall.AF_INET, loopback4)
			addr, err := InetAddr(localAddr(t, l))
			g.must(err)
			fd := newSocket(t, syscall.AF_INET, syscall.SOCK_STREAM)
			g.queue(uint64(i), func(s SQE) { s.PrepConnect(FD(fd), addr) })
			listeners, fds = append(listeners, l), append(fds, fd)
		}
		for _, c := range g.await(8) {
			g.must(c.Err())
		}
		for i, l := range listeners {
			peer := g.owned(g.do(func(s SQE) { s.PrepAccept(FD(l), 0) }))
			g.write(peer, fmt.Sprint("for ", i))
			equal(t, "received", g.read(fds[i]), fmt.Sprint("for ", i))
		}
	})
}

func TestSocket(t *testing.T) {
	testutil.Need(t, HaveSocket)
	inEachMode(t, func(t *testing.T, g *rig) {
		fd := g.owned(g.do(func(s SQE) {
			s.PrepSocket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, syscall.IPPROTO_UDP)
		}))
		for option, want := range map[int]int{soDomain: syscall.AF_INET, syscall.SO_TYPE: syscall.SOCK_DGRAM, soProtocol: syscall.IPPROTO_UDP} {
			got, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, option)
			g.must(err)
			equal(t, fmt.Sprint("option ", option), got, want)
		}
		g.fails(syscall.EAFNOSUPPORT, func(s SQE) { s.PrepSocket(200, syscall.SOCK_STREAM, 0) })
	})
}

const (
	soDomain   = 39 // SO_DOMAIN
	soProtocol = 38 // SO_PROTOCOL
)

// A connection whose both ends are direct descriptors from the start.
func TestSocketDirect(t *testing.T) {
	testutil.Need(t, HaveSocket)
	inEachMode(t, func(t *testing.T, g *rig) {
		l := listen(t, syscall.AF_INET, loopback4)
		addr, err := InetAddr(localAddr(t, l))
		g.must(err)
		g.must(g.RegisterFiles(4))
		equal(t, "result", g.do(func(s SQE) { s.PrepSocketDirect(syscall.AF_INET, syscall.SOCK_STREAM, 0, DirectSlot(2)) }), 0)
		slot := g.do(func(s SQE) { s.PrepSocketDirect(syscall.AF_INET, syscall.SOCK_STREAM, 0, DirectAlloc) })
		equal(t, "is another slot", slot != 2 && slot < 4, true)

		client := DirectSlot(2).FD()
		g.do(func(s SQE) { s.PrepConnect(client, addr) })
		server := DirectSlot(g.do(func(s SQE) { s.PrepAcceptDirect(FD(l), 0, DirectAlloc) })).FD()
		equal(t, "sent", g.do(func(s SQE) { s.PrepSend(client, held([]byte("hello")), 0) }), 5)
		p := make([]byte, 16)
		n := g.do(func(s SQE) { s.PrepRecv(server, p, 0) })
		equal(t, "received", string(p[:n]), "hello")
	})
}

func TestShutdown(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		g.do(func(s SQE) { s.PrepShutdown(FD(a), syscall.SHUT_WR) })
		equal(t, "what the peer reads", g.read(b), "")
		g.write(b, "the other way")
		equal(t, "received", g.read(a), "the other way")
		g.fails(syscall.EINVAL, func(s SQE) { s.PrepShutdown(FD(a), 9) })
	})
}

func TestSetsockopt(t *testing.T) {
	testutil.Need(t, HaveSocketOptions)
	inEachMode(t, func(t *testing.T, g *rig) {
		fd := newSocket(t, syscall.AF_INET, syscall.SOCK_STREAM)
		value := make([]byte, 4)
		binary.NativeEndian.PutUint32(value, 1)
		var err error
		g.queue(1, func(s SQE) { err = s.PrepSetsockopt(FD(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, value) })
		g.must(err)
		c := g.await(1)[0]
		g.must(c.Err())
		got, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		g.must(err)
		equal(t, "option", got, 1)

		s := g.sqe()
		if err := s.PrepSetsockopt(FD(fd), 1, 1, make([]byte, 129)); err == nil || !strings.Contains(err.Error(), "at most 128") {
			t.Errorf("129 bytes: %v", err)
		}
		g.none()
	})
}

// In a chain, with Async, and after a Drain, the kernel reads the value when the
// request starts: the caller holds it.
func TestSocketOptionThatStartsLate(t *testing.T) {
	testutil.Need(t, HaveSocketOptions)
	inEachMode(t, func(t *testing.T, g *rig) {
		fd := newSocket(t, syscall.AF_INET, syscall.SOCK_STREAM)
		value := held(binary.NativeEndian.AppendUint32(nil, 1))
		for _, c := range []struct {
			name               string
			first, flags, last SQEFlags
		}{
			{"in a chain", Link, 0, 0},
			{"with Async", 0, Async, 0},
			{"with Async, in a chain", Link, Async, 0},
			{"in a chain that drains", 0, Link, Drain},
			{"with Drain", 0, Drain, 0},
			{"after a Drain", 0, 0, 0},
		} {
			g.must(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 0))
			g.queue(1, func(s SQE) { s.PrepTimeout(time.Millisecond, 0, TimeoutETimeSuccess); g.must(s.SetFlags(c.first)) })
			g.queue(2, func(s SQE) {
				s.PrepSetsockoptHeld(FD(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, value)
				g.must(s.SetFlags(c.flags))
			})
			g.queue(4, func(s SQE) { s.PrepNop(); g.must(s.SetFlags(c.last)) })
			g.submit()
			for range 20 { // the slots of the entries are used again
				g.must(g.MakeRoom(1))
				g.queue(3, func(s SQE) { s.PrepSendTo(-1, nil, 0, Sockaddr{n: slotSize}) })
				g.submit()
			}
			results := g.results(23)
			equal(t, c.name+": result", results[2], 0)
			got, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
			g.must(err)
			equal(t, c.name+": option", got, 1)
		}
	})
}

func TestBindListenAccept(t *testing.T) {
	g := newRig(t, Config{})
	g.needOp(cgo.OpBind, 6, 11)
	g.must(g.RegisterFiles(2))
	listener, client := g.socket(syscall.SOCK_STREAM), g.socket(syscall.SOCK_STREAM)
	g.want(0, func(s SQE) { s.PrepBind(listener, g.loopback(0)) })
	g.want(0, func(s SQE) { s.PrepListen(listener, 4) })
	port := g.port(listener)
	g.want(0, func(s SQE) { s.PrepConnect(client, g.loopback(port)) })

	var peer Sockaddr
	fd := g.do(func(s SQE) { s.PrepAcceptAddr(listener, syscall.SOCK_CLOEXEC, &peer) })
	defer syscall.Close(fd)
	want := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), g.port(client))
	if got, _ := peer.AddrPort(); got != want {
		t.Errorf("the connection comes from %v, want %v", got, want)
	}

	other := g.socket(syscall.SOCK_STREAM)
	g.want(0, func(s SQE) { s.PrepConnect(other, g.loopback(port)) })
	g.want(0, func(s SQE) { s.PrepAcceptAddrDirect(listener, 0, &peer, DirectSlot(1)) })
	if got, _ := peer.AddrPort(); got.Port() != g.port(other) {
		t.Errorf("the connection comes from %v, want port %d", got, g.port(other))
	}
	g.want(2, func(s SQE) { s.PrepSend(DirectSlot(1).FD(), held([]byte("hi")), 0) })
	g.fails(syscall.EADDRINUSE, func(s SQE) { s.PrepBind(g.socket(syscall.SOCK_STREAM), g.loopback(port)) })
}

func TestSocketCommands(t *testing.T) {
	g := newRig(t, Config{})
	a, b := testutil.TCPPair(t)
	testutil.Need(t, HaveSocketOptions)
	value := make([]byte, 4)
	g.want(4, func(s SQE) { s.PrepGetsockopt(FD(a), syscall.SOL_SOCKET, syscall.SO_TYPE, value) })
	if got := binary.NativeEndian.Uint32(value); got != syscall.SOCK_STREAM {
		t.Errorf("SO_TYPE is %d", got)
	}
	g.fails(syscall.EOPNOTSUPP, func(s SQE) {
		s.PrepGetsockopt(FD(a), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, value)
	})
	_, err := syscall.Write(b, []byte("12345"))
	g.must(err)
	g.want(int(readable), func(s SQE) { s.PrepPollAdd(FD(a), readable) })
	g.want(5, func(s SQE) { s.PrepSIOCINQ(FD(a)) })
	g.want(5, func(s SQE) { g.must(s.PrepUringCmd(g.firstDirect(FD(a)), cgo.SocketOpSIOCINQ, nil)) })
	for deadline := time.Now().Add(5 * time.Second); g.do(func(s SQE) { s.PrepSIOCOUTQ(FD(b)) }) != 0; {
		if time.Now().After(deadline) {
			t.Fatal("bytes are not acknowledged")
		}
	}
	in, _ := g.pipe()
	g.fails(syscall.EOPNOTSUPP, func(s SQE) { s.PrepSIOCINQ(in) })
}

const readable = 1 // POLLIN

func TestSIOCOUTQCountsWhatThePeerDoesNotRead(t *testing.T) {
	g := newRig(t, Config{})
	a, b := testutil.TCPPair(t)
	testutil.Need(t, HaveSocketOptions)
	g.must(syscall.SetsockoptInt(b, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096))
	sent := 0
	for {
		n, err := syscall.SendmsgN(a, make([]byte, 64<<10), nil, nil, syscall.MSG_DONTWAIT)
		if err == syscall.EAGAIN {
			break
		}
		g.must(err)
		sent += n
	}
	queued := g.do(func(s SQE) { s.PrepSIOCOUTQ(FD(a)) })
	if queued <= 0 || queued > sent {
		t.Errorf("%d bytes of %d are queued", queued, sent)
	}
}

func TestNamesOfSockets(t *testing.T) {
	g := newRig(t, Config{})
	a, b := testutil.TCPPair(t)
	var own, peer Sockaddr
	c := g.answer(func(s SQE) { s.PrepGetsockname(FD(a), &own) })
	needs(t, "names of sockets", kernel.V(6, 19), refusal(c))
	g.must(c.Err())
	g.want(0, func(s SQE) { s.PrepGetpeername(FD(b), &peer) })
	got, _ := own.AddrPort()
	same, _ := peer.AddrPort()
	if got != same || got.Port() != g.port(FD(a)) {
		t.Errorf("getsockname %v, getpeername of the other end %v, port %d", got, same, g.port(FD(a)))
	}
}

func TestTxTimestamps(t *testing.T) {
	narrow := newRig(t, Config{})
	if err := narrow.sqe().PrepTxTimestampMultishot(0); err == nil {
		t.Error("not refused on a ring with completions of 16 bytes")
	}
	g := newRig(t, Config{Flags: SetupCQE32})
	a, _ := testutil.UDPPair(t)
	const timestamping, softwareWithIDs = 37, 1<<1 | 1<<4 | 1<<7 | 1<<11 // TX_SOFTWARE, SOFTWARE, OPT_ID, OPT_TSONLY
	g.must(syscall.SetsockoptInt(a, syscall.SOL_SOCKET, timestamping, softwareWithIDs))
	g.start(7, func(s SQE) { g.must(s.PrepTxTimestampMultishot(FD(a))) })
	if g.Ready() > 0 {
		needs(t, "transmit timestamps", kernel.V(6, 17), refusal(g.next()))
		t.Fatal("it completed before anything was sent")
	}
	for key := range int32(3) {
		before := readClock(t, 0)
		_, err := syscall.Write(a, []byte("x"))
		g.must(err)
		_, err = g.SubmitAndWaitTimeout(1, 5*time.Second)
		g.must(err)
		stamp := g.q.BigCQE(g.head)
		at := time.Duration(stamp[0])*time.Second + time.Duration(stamp[1])
		c := g.next()
		if c.UserData != 7 || c.Res != key || !c.More() {
			t.Errorf("completion %v, want key %d", c, key)
		}
		if at < before-time.Millisecond || at > readClock(t, 0)+time.Millisecond {
			t.Errorf("stamped %v after it was sent", at-before)
		}
	}
}

// An accept says whether more connections wait.
func TestAcceptSaysWhetherOthersWait(t *testing.T) {
	if !hasLinux(t, kernel.V(6, 10)) {
		return // the flag is of receives only
	}
	inEachMode(t, func(t *testing.T, g *rig) {
		l := listen(t, syscall.AF_INET, loopback4)
		g.must(g.RegisterFiles(4))
		for name, prep := range map[string]func(s SQE, i int){
			"ordinary": func(s SQE, _ int) { s.PrepAccept(FD(l), CloseOnExec) },
			"direct":   func(s SQE, i int) { s.PrepAcceptDirect(FD(l), 0, DirectSlot(i)) },
		} {
			const clients = 4
			for range clients {
				dial(t, l)
			}
			for i := range clients {
				c := g.answer(func(s SQE) { prep(s, i) })
				g.must(c.Err())
				if name == "ordinary" {
					g.owned(int(c.Res))
				}
				equal(t, name+": others wait", c.SockNonEmpty(), i < clients-1)
			}
		}
	})
}

// A connect that waits, as its listener has no room, ends with its link timeout.
func TestConnectThatWaits(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		l := boundSocket(t, syscall.AF_INET, syscall.SOCK_STREAM, loopback4)
		g.must(syscall.Listen(l, 0))
		addr, err := InetAddr(localAddr(t, l))
		g.must(err)
		for range 5 { // it has room for one or two
			fd := newSocket(t, syscall.AF_INET, syscall.SOCK_STREAM)
			g.must(g.queue(1, func(s SQE) { s.PrepConnect(FD(fd), addr) }).SetFlags(Link))
			g.queue(2, func(s SQE) { s.PrepLinkTimeout(50*time.Millisecond, 0) })
			m := g.byUserData(2)
			if m[2].Err() == syscall.ETIME {
				equal(t, "connect", m[1].Err(), error(syscall.ECANCELED))
				return
			}
			equal(t, "connect and timeout", [2]int32{m[1].Res, m[2].Res}, [2]int32{0, errCanceled})
		}
		t.Error("no connect waited")
	})
}

// With PollFirst the first try waits until the socket is ready.
func TestSetIOFlags(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		p := held(make([]byte, 8))
		m := NewMsg(p)
		raw := g.newRaw(RawBufRingConfig{Entries: 1})
		for name, prep := range map[string]func(SQE){
			"PrepRecv":    func(s SQE) { s.PrepRecv(FD(a), nil, 0); g.must(s.SetBufGroup(3)) },
			"PrepRecvMsg": func(s SQE) { s.PrepRecvMsg(FD(a), m, 0); g.must(s.SetBufGroup(3)) },
		} {
			g.fails(syscall.ENOBUFS, prep)
			g.start(1, func(s SQE) { prep(s); g.must(s.SetIOFlags(PollFirst)) })
			g.none() // it has not looked for a buffer yet
			g.give(raw, 1, p)
			g.write(b, "data")
			equal(t, name, g.await(1)[0].Res, 4)
		}
		for _, prep := range []func(SQE){
			func(s SQE) { s.PrepSend(FD(a), p[:4], 0) }, func(s SQE) { s.PrepSendMsg(FD(a), NewMsg(p[:4]), 0) },
		} {
			g.want(4, func(s SQE) { prep(s); g.must(s.SetIOFlags(PollFirst)) })
		}
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 2, BufSize: 16})
		g.must(err)
		wantError(t, g.sqe().SetIOFlags(PollFirst), "send and receive")
		for want, prep := range map[string]func(SQE) error{
			"takes PollFirst": func(s SQE) error { s.PrepRecv(FD(a), p, 0); return s.SetIOFlags(Bundle) },
			"its Prep methods": func(s SQE) error {
				g.must(s.PrepRecvProvided(FD(a), br, 0, 0, 0))
				return s.SetIOFlags(PollFirst)
			},
		} {
			wantError(t, prep(g.sqe()), want)
		}
		g.none()
	})
}

// A command by its name does what its Prep method does.
func TestNamedCommands(t *testing.T) {
	testutil.Need(t, HaveSocketOptions)
	g := newRig(t, Config{Entries: 4})
	a, b := testutil.TCPPair(t)
	g.write(a, "1234")
	g.want(int(PollIn), func(s SQE) { s.PrepPollAdd(FD(b), PollIn) })
	g.want(4, func(s SQE) { g.must(s.PrepUringCmd(FD(b), SocketCmdSIOCINQ, nil)) })
}
