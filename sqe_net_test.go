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
	"unsafe"

	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// listen returns a listening socket bound to addr, which is closed when the
// test ends.
func listen(t *testing.T, domain int, addr syscall.Sockaddr) int {
	t.Helper()
	fd := boundSocket(t, domain, syscall.SOCK_STREAM, addr)
	if err := syscall.Listen(fd, 16); err != nil {
		t.Fatal(err)
	}
	return fd
}

func boundSocket(t *testing.T, domain, typ int, addr syscall.Sockaddr) int {
	t.Helper()
	fd := newSocket(t, domain, typ)
	if err := syscall.Bind(fd, addr); err != nil {
		t.Fatal(err)
	}
	return fd
}

func newSocket(t *testing.T, domain, typ int) int {
	t.Helper()
	fd, err := syscall.Socket(domain, typ|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	return fd
}

var loopback4 = &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}

// localAddr returns the address that a socket is bound to.
func localAddr(t *testing.T, fd int) netip.AddrPort {
	t.Helper()
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *syscall.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	t.Fatalf("address %#v", sa)
	return netip.AddrPort{}
}

// dial connects a new socket to a listening one, in the background of a ring's
// accept.
func dial(t *testing.T, listener int) int {
	t.Helper()
	sa, err := syscall.Getsockname(listener)
	if err != nil {
		t.Fatal(err)
	}
	fd := newSocket(t, syscall.AF_INET, syscall.SOCK_STREAM)
	if err := syscall.Connect(fd, sa); err != nil {
		t.Fatal(err)
	}
	return fd
}

// owned closes a descriptor that a request made when the test ends.
func (g *rig) owned(fd int) int {
	g.Helper()
	g.Cleanup(func() {
		if err := syscall.Close(fd); err != nil {
			g.Error(err)
		}
	})
	return fd
}

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
	s := g.take()
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
		a, b := g.unixPair()
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

		s := g.take()
		if err := s.PrepSetsockopt(FD(fd), 1, 1, make([]byte, 129)); err == nil || !strings.Contains(err.Error(), "at most 128") {
			t.Errorf("129 bytes: %v", err)
		}
		g.none()
	})
}

func TestSendAndRecv(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		equal(t, "sent", g.do(func(s SQE) { s.PrepSend(FD(a), held([]byte("hello")), 0) }), 5)
		p := make([]byte, 16)
		n := g.do(func(s SQE) { s.PrepRecv(FD(b), p[:3], 0) })
		equal(t, "received", string(p[:n]), "hel")
		n = g.do(func(s SQE) { s.PrepRecv(FD(b), p, syscall.MSG_PEEK) })
		equal(t, "peeked", string(p[:n]), "lo")
		n = g.do(func(s SQE) { s.PrepRecv(FD(b), p, syscall.MSG_DONTWAIT) })
		equal(t, "received", string(p[:n]), "lo")
		g.fails(syscall.EAGAIN, func(s SQE) { s.PrepRecv(FD(b), p, syscall.MSG_DONTWAIT) })

		g.queue(1, func(s SQE) { s.PrepRecv(FD(b), p[:8], syscall.MSG_WAITALL) })
		g.submit()
		g.write(a, "1234")
		g.none()
		g.write(a, "5678")
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 8}})
		equal(t, "received in one piece", string(p[:8]), "12345678")

		syscall.Shutdown(a, syscall.SHUT_WR)
		equal(t, "end of the stream", g.do(func(s SQE) { s.PrepRecv(FD(b), p, 0) }), 0)
		g.fails(syscall.EPIPE, func(s SQE) { s.PrepSend(FD(a), p, syscall.MSG_NOSIGNAL) })
		g.fails(syscall.ENOTSOCK, func(s SQE) { s.PrepSend(FD(openTemp(t, "")), p, 0) })
	})
}

// MSG_WAITALL makes the kernel go on with a send until all of it is sent.
func TestSendAllOfMuch(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		data := stream(0, 1<<20)
		received := collect(dupFD(t, b))
		equal(t, "sent", g.do(func(s SQE) { s.PrepSend(FD(a), data, syscall.MSG_WAITALL) }), len(data))
		syscall.Shutdown(a, syscall.SHUT_WR)
		equal(t, "received", string(<-received) == string(data), true)
	})
}

func TestSendMsgAndRecvMsg(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		from := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
		to := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
		dest, err := InetAddr(localAddr(t, to))
		g.must(err)
		out := NewMsg([]byte("in "), nil, []byte("three "), []byte("parts"))
		out.SetAddr(dest)
		one, two := make([]byte, 5), make([]byte, 100)
		in := NewMsg(one, two)
		in.WantAddr()
		for range 2 { // the same messages again
			equal(t, "sent", g.do(func(s SQE) { s.PrepSendMsg(FD(from), out, 0) }), 14)
			n := g.do(func(s SQE) { s.PrepRecvMsg(FD(to), in, 0) })
			equal(t, "received", string(one)+string(two[:n-5]), "in three parts")
			equal(t, "flags", in.Flags(), 0)
			source := in.Addr()
			addr, ok := source.AddrPort()
			equal(t, "has an address", ok, true)
			equal(t, "source", addr, localAddr(t, from))
		}
		out.SetParts([]byte("longer than all of the room there is for it, which is five bytes and a hundred, as one can see in the lines above"))
		g.do(func(s SQE) { s.PrepSendMsg(FD(from), out, 0) })
		equal(t, "received", g.do(func(s SQE) { s.PrepRecvMsg(FD(to), in, 0) }), 105)
		equal(t, "flags", in.Flags(), syscall.MSG_TRUNC)
	})
}

// A message without an address leaves the room for that of the next.
func TestAddrAfterAMessageWithoutOne(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		name := fmt.Sprintf("@uring-test-%d", time.Now().UnixNano())
		to := boundSocket(t, syscall.AF_UNIX, syscall.SOCK_DGRAM, &syscall.SockaddrUnix{Name: name + "-to"})
		named := boundSocket(t, syscall.AF_UNIX, syscall.SOCK_DGRAM, &syscall.SockaddrUnix{Name: name})
		nameless := newSocket(t, syscall.AF_UNIX, syscall.SOCK_DGRAM)
		want, err := UnixAddr(name)
		g.must(err)
		m := NewMsg(make([]byte, 8))
		m.WantAddr()
		for from, addr := range map[int]Sockaddr{nameless: {}, named: want} {
			for range 2 {
				g.must(syscall.Sendto(from, []byte("x"), 0, &syscall.SockaddrUnix{Name: name + "-to"}))
				g.do(func(s SQE) { s.PrepRecvMsg(FD(to), m, 0) })
				got := m.Addr()
				equal(t, "source", string(got.bytes()), string(addr.bytes()))
				g.must(syscall.Sendto(nameless, []byte("x"), 0, &syscall.SockaddrUnix{Name: name + "-to"}))
				g.do(func(s SQE) { s.PrepRecvMsg(FD(to), m, 0) })
			}
		}
	})
}

// Control data goes both ways: here descriptors. A Msg that received has its
// room again the next time.
func TestControlData(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		file := openTemp(t, "content")
		out, in := NewMsg([]byte("x")), NewMsg(make([]byte, 8))
		in.SetControl(make([]byte, 64))
		for _, fds := range [][]int{{file}, nil, {file, file, file}} {
			out.SetControl(nil)
			if fds != nil {
				out.SetControl(syscall.UnixRights(fds...))
			}
			equal(t, "sent", g.do(func(s SQE) { s.PrepSendMsg(FD(a), out, 0) }), 1)
			equal(t, "received", g.do(func(s SQE) { s.PrepRecvMsg(FD(b), in, syscall.MSG_CMSG_CLOEXEC) }), 1)
			equal(t, "flags", in.Flags()&^syscall.MSG_CMSG_CLOEXEC, 0)
			messages, err := syscall.ParseSocketControlMessage(in.Control())
			g.must(err)
			got := 0
			for _, m := range messages {
				const scmInq = 84
				if m.Header.Type == scmInq && !hasLinux(t, kernel.V(6, 18)) {
					continue // 6.17 adds what nobody asked for: how much there is to receive
				}
				rights, err := syscall.ParseUnixRights(&m)
				g.must(err)
				for _, fd := range rights {
					equal(t, "content", content(t, fd), "content")
					syscall.Close(fd)
					got++
				}
			}
			equal(t, "descriptors", got, len(fds))
		}
	})
}

// Each buffer holds a message with its source and control data.
func TestRecvMsgMultishot(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	inEachMode(t, func(t *testing.T, g *rig) {
		from := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
		to := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
		g.must(syscall.SetsockoptInt(to, syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1))
		dest, err := syscall.Getsockname(to)
		g.must(err)

		m := NewMsg()
		m.WantAddr()
		m.SetControl(make([]byte, 64))
		const room = 32 // of payload
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 4, BufSize: m.Overhead() + room})
		g.must(err)
		arm := func() {
			g.queue(1, func(s SQE) { err = s.PrepRecvMsgMultishot(FD(to), br, m, 0) })
			g.must(err)
			g.submit()
		}
		arm()
		for _, text := range []string{"one", "", "three", strings.Repeat("long ", 10), "five"} {
			g.must(syscall.Sendto(from, []byte(text), 0, dest))
			c := g.await(1)[0]
			g.must(c.Err())
			equal(t, "more", c.More(), text != "")
			seen := 0
			g.must(br.Consume(c, func(p []byte) error {
				seen++
				got, err := m.Parse(p)
				g.must(err)
				equal(t, "payload", string(got.Payload), text[:min(len(text), room)])
				equal(t, "length", got.PayloadLen, min(len(text), room))
				equal(t, "truncated", got.Flags&syscall.MSG_TRUNC != 0, len(text) > room)
				addr, ok := got.AddrPort()
				equal(t, "has an address", ok, true)
				equal(t, "source", addr, localAddr(t, from))
				reply := got.Addr()
				want, err := InetAddr(addr)
				g.must(err)
				equal(t, "address to reply to", string(reply.bytes()), string(want.bytes()))
				control, err := syscall.ParseSocketControlMessage(got.Control)
				g.must(err)
				equal(t, "control messages", len(control), 1)
				equal(t, "kind", control[0].Header.Type, syscall.IP_PKTINFO)
				return nil
			}))
			equal(t, "buffers", seen, 1)
			if !c.More() {
				arm()
			}
		}
	})
}

// zeroCopy carries out a zero-copy send: its result, and then its notification.
func (g *rig) zeroCopy(prep func(SQE) error) (result, notification CQE) {
	g.Helper()
	var err error
	g.queue(0x2c, func(s SQE) { err = prep(s) })
	g.must(err)
	c := g.await(2)
	equal(g, "user data", [2]uint64{c[0].UserData, c[1].UserData}, [2]uint64{0x2c, 0x2c})
	equal(g, "result first", [2]bool{c[0].Notif(), c[1].Notif()}, [2]bool{false, true})
	equal(g, "more", [2]bool{c[0].More(), c[1].More()}, [2]bool{true, false})
	return c[0], c[1]
}

func TestZeroCopySends(t *testing.T) {
	testutil.Need(t, HaveSendMsgZC)
	inEachMode(t, func(t *testing.T, g *rig) {
		reg := g.register(8192)
		mem := reg.Bytes()
		copy(mem[100:], "hello, zero copy")
		client, server := testutil.TCPPair(t)
		parts := func() *Msg { return NewMsg(mem[100:105], mem[105:107], mem[107:116]) }
		for name, prep := range map[string]func(SQE, IOFlags) error{
			"send_zc":       func(s SQE, f IOFlags) error { return s.PrepSendZC(FD(client), mem[100:116], 0, f) },
			"send_zc_fixed": func(s SQE, f IOFlags) error { return s.PrepSendZCFixed(FD(client), reg, mem[100:116], 0, f) },
			"sendmsg_zc":    func(s SQE, f IOFlags) error { return s.PrepSendMsgZC(FD(client), parts(), 0, f) },
			"sendmsg_zc_fixed": func(s SQE, f IOFlags) error {
				testutil.Need(t, HaveSendMsgZCFixed)
				return s.PrepSendMsgZCFixed(FD(client), reg, parts(), 0, f)
			},
		} {
			for _, flags := range []IOFlags{0, PollFirst} {
				result, notification := g.zeroCopy(func(s SQE) error { return prep(s, flags) })
				equal(t, name+": sent", result.Res, 16)
				equal(t, name+": error of the notification", notification.Err(), nil)
				equal(t, name+": says that it was copied without being asked", notification.Copied(), false)
				equal(t, name+": received", g.read(server), "hello, zero copy")
			}
			if HaveReportUsage() == nil {
				_, notification := g.zeroCopy(func(s SQE) error { return prep(s, ReportUsage) })
				equal(t, name+": copied, as on loopback", notification.Copied(), true)
				equal(t, name+": error of the notification", notification.Err(), nil)
				g.read(server)
			}
		}
	})
}

func TestZeroCopySendFails(t *testing.T) {
	testutil.Need(t, HaveSendMsgZC)
	g := newRig(t, Config{Entries: 8})
	mem := g.register(4096).Bytes()
	unix, _ := g.unixPair()
	result, notification := g.zeroCopy(func(s SQE) error { return s.PrepSendZC(FD(unix), mem[:4], 0, 0) })
	equal(t, "error on a UNIX socket", result.Err(), error(syscall.EOPNOTSUPP))
	equal(t, "error of the notification", notification.Err(), nil)

	for name, prep := range map[string]func(SQE) error{
		"Bundle": func(s SQE) error { return s.PrepSendZC(FD(unix), mem[:4], 0, Bundle) },
		"flags":  func(s SQE) error { return s.PrepSendMsgZC(FD(unix), NewMsg(mem[:4]), 0, 1<<5) },
	} {
		if err := prep(g.take()); err == nil || !strings.Contains(err.Error(), "zero-copy") {
			t.Errorf("%s: %v", name, err)
		}
	}
	g.none()
}

// A datagram without copying, to the address in the message.
func TestZeroCopyDatagram(t *testing.T) {
	testutil.Need(t, HaveSendMsgZC)
	g := newRig(t, Config{Entries: 8})
	from := newSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM)
	to := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
	dest, err := InetAddr(localAddr(t, to))
	g.must(err)
	mem := g.arena(4096).Bytes()
	copy(mem, "datagram")
	m := NewMsg(mem[:4], mem[4:8])
	m.SetAddr(dest)
	result, _ := g.zeroCopy(func(s SQE) error { return s.PrepSendMsgZC(FD(from), m, 0, 0) })
	equal(t, "sent", result.Res, 8)
	equal(t, "received", g.read(to), "datagram")
}

// A receive with PollFirst waits for the socket before it tries.
func TestPollFirst(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := g.unixPair()
		br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 2, BufSize: 64})
		g.must(err)
		g.queue(1, func(s SQE) { err = s.PrepRecvProvided(FD(a), br, 0, 0, PollFirst) })
		g.must(err)
		g.none()
		g.write(b, "data")
		g.must(br.Consume(g.await(1)[0], func(p []byte) error {
			equal(t, "received", string(p), "data")
			return nil
		}))
	})
}

// Addresses have the kernel's layout.
func TestSockaddrLayout(t *testing.T) {
	raw := func(p unsafe.Pointer, n uintptr) string { return string(unsafe.Slice((*byte)(p), n)) }
	port := func(p uint16) (v uint16) {
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&v))[:], p)
		return v
	}
	four := syscall.RawSockaddrInet4{Family: syscall.AF_INET, Port: port(8080), Addr: [4]byte{192, 0, 2, 1}}
	six := syscall.RawSockaddrInet6{
		Family: syscall.AF_INET6, Port: port(443), Scope_id: 7,
		Addr: netip.MustParseAddr("fe80::1:2").As16(),
	}
	for text, want := range map[string]string{
		"192.0.2.1:8080":    raw(unsafe.Pointer(&four), unsafe.Sizeof(four)),
		"[fe80::1:2%7]:443": raw(unsafe.Pointer(&six), unsafe.Sizeof(six)),
	} {
		ap := netip.MustParseAddrPort(text)
		a, err := InetAddr(ap)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, text, string(a.bytes()), want)
		back, ok := a.AddrPort()
		equal(t, "is an address", ok, true)
		equal(t, "back again", back, ap)
	}
	for path, want := range map[string]string{
		"/run/x":                 "/run/x\x00",
		"@name":                  "\x00name",
		"@":                      "\x00",
		strings.Repeat("p", 107): strings.Repeat("p", 107) + "\x00",
		"@a\x00b":                "\x00a\x00b",
	} {
		a, err := UnixAddr(path)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, path, string(a.bytes()), "\x01\x00"+want)
		_, ok := a.AddrPort()
		equal(t, "is an IP address", ok, false)
	}
}

func TestSockaddrIsRefused(t *testing.T) {
	for _, path := range []string{"", strings.Repeat("p", 108), "a\x00b"} {
		if _, err := UnixAddr(path); err == nil {
			t.Errorf("UnixAddr(%q) is accepted", path)
		}
	}
	for _, ap := range []netip.AddrPort{
		{},
		netip.MustParseAddrPort("[fe80::1%eth0]:1"),
		netip.MustParseAddrPort("[fe80::1%7up]:1"),
		netip.MustParseAddrPort("[fe80::1%99999999999]:1"),
	} {
		if _, err := InetAddr(ap); err == nil {
			t.Errorf("InetAddr(%v) is accepted", ap)
		}
	}
	var none Sockaddr
	if _, ok := none.AddrPort(); ok {
		t.Error("no address is one")
	}
}
