//go:build linux

package uring

import (
	"bytes"
	"net/netip"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

func TestSendAndRecv(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
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
		g.fails(syscall.ENOTSOCK, func(s SQE) { s.PrepSend(FD(newFile(t, "").Fd()), p, 0) })
	})
}

// MSG_WAITALL makes the kernel go on with a send until all of it is sent.
func TestSendAllOfMuch(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
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

func TestSendToAnAddress(t *testing.T) {
	g := newRig(t, Config{})
	from, to := g.socket(syscall.SOCK_DGRAM), g.socket(syscall.SOCK_DGRAM)
	for _, fd := range []FD{from, to} {
		g.must(syscall.Bind(int(fd), &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	}
	addr := g.loopback(g.port(to))
	received := func() string {
		t.Helper()
		b := make([]byte, 100)
		n, peer, err := syscall.Recvfrom(int(to), b, 0)
		g.must(err)
		if got := peer.(*syscall.SockaddrInet4).Port; got != int(g.port(from)) {
			t.Errorf("from port %d, want %d", got, g.port(from))
		}
		return string(b[:n])
	}
	g.want(3, func(s SQE) { s.PrepSendTo(from, held([]byte("one")), 0, addr) })
	if got := received(); got != "one" {
		t.Errorf("received %q", got)
	}
	g.want(3, func(s SQE) {
		g.must(s.PrepSendZC(from, held([]byte("two")), 0, 0))
		g.must(s.PrepSendSetAddr(addr))
	})
	if c := g.next(); !c.Notif() {
		t.Errorf("completion %v, want the notification", c)
	}
	if got := received(); got != "two" {
		t.Errorf("received %q", got)
	}
	g.fails(syscall.EDESTADDRREQ, func(s SQE) { s.PrepSend(from, held([]byte("nowhere")), 0) })
	s := g.sqe()
	s.PrepRecv(to, held(make([]byte, 1)), 0)
	if err := s.PrepSendSetAddr(addr); err == nil {
		t.Error("an address for a receive is not refused")
	}
}

func TestSendVectorized(t *testing.T) {
	testutil.Need(t, HaveSendVectorized)
	g := newRig(t, Config{})
	a, b := testutil.TCPPair(t)
	parts := [][]byte{[]byte("several "), nil, []byte("parts")}
	g.want(13, func(s SQE) { g.must(s.PrepSendVectorized(FD(a), parts, 0)) })
	g.want(13, func(s SQE) { g.must(s.PrepSendZCVectorized(FD(a), parts, 0, ReportUsage)) })
	if c := g.next(); !c.Notif() {
		t.Errorf("completion %v, want the notification", c)
	}
	got := make([]byte, 26)
	g.want(26, func(s SQE) { s.PrepRecv(FD(b), got, syscall.MSG_WAITALL) })
	if string(got) != "several partsseveral parts" {
		t.Errorf("received %q", got)
	}
}

func TestSendAndRecvFixed(t *testing.T) {
	testutil.Need(t, HaveSendFixed)
	g := newRig(t, Config{})
	arena, err := NewArena(ArenaConfig{Size: 4096})
	g.must(err)
	defer arena.Close()
	reg, err := g.RegisterArena(arena)
	g.must(err)
	defer g.UnregisterArena(reg)
	a, b := testutil.TCPPair(t)
	mem := reg.Bytes()
	copy(mem, "registered")
	g.want(10, func(s SQE) { g.must(s.PrepSendFixed(FD(a), reg, mem[:10], 0)) })
	g.want(10, func(s SQE) { g.must(s.PrepRecvFixed(FD(b), reg, mem[100:110], syscall.MSG_WAITALL)) })
	if got := string(mem[100:110]); got != "registered" {
		t.Errorf("received %q", got)
	}
}

func TestSendFixedOutsideTheBufferIsRefused(t *testing.T) {
	g := newRig(t, Config{})
	if err := g.sqe().PrepSendFixed(0, RegBuf{}, []byte("x"), 0); err == nil {
		t.Error("not refused")
	}
	if err := g.sqe().PrepRecvFixed(0, RegBuf{}, []byte("x"), 0); err == nil {
		t.Error("not refused")
	}
}

func TestSendBundleOfAGroup(t *testing.T) {
	testutil.Need(t, HaveSendBundles)
	g := newRig(t, Config{})
	a, b := testutil.TCPPair(t)
	const group = 9
	g.must(g.answer(func(s SQE) { g.must(s.PrepProvideBuffers(held([]byte("abcdef")), 3, group, 0)) }).Err())
	c := g.answer(func(s SQE) { g.must(s.PrepSendBundle(FD(a), group, 0, 0)) })
	want := ""
	for ; c.Res > 0; c = g.next() {
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
	g.want(6, func(s SQE) { s.PrepRecv(FD(b), got, syscall.MSG_WAITALL) })
	if string(got) != want {
		t.Errorf("received %q, sent %q", got, want)
	}
	g.fails(syscall.ENOBUFS, func(s SQE) { g.must(s.PrepSendBundle(FD(a), group, 0, 0)) })
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
	unix, _ := streamPair(g)
	result, notification := g.zeroCopy(func(s SQE) error { return s.PrepSendZC(FD(unix), mem[:4], 0, 0) })
	equal(t, "error on a UNIX socket", result.Err(), error(syscall.EOPNOTSUPP))
	equal(t, "error of the notification", notification.Err(), nil)

	for name, prep := range map[string]func(SQE) error{
		"Bundle": func(s SQE) error { return s.PrepSendZC(FD(unix), mem[:4], 0, Bundle) },
		"flags":  func(s SQE) error { return s.PrepSendMsgZC(FD(unix), NewMsg(mem[:4]), 0, 1<<5) },
	} {
		if err := prep(g.sqe()); err == nil || !strings.Contains(err.Error(), "zero-copy") {
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

// The address of a send that starts later is the kernel's once it is submitted:
// others may have the memory that it was copied to.
func TestAddressOfASendThatStartsLater(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		from, to := g.socket(syscall.SOCK_DGRAM), g.socket(syscall.SOCK_DGRAM)
		g.must(syscall.Bind(int(to), loopback4))
		addr := g.loopback(g.port(to))
		in, out := g.pipe()
		g.must(g.queue(1, func(s SQE) { s.PrepPollAdd(in, PollIn) }).SetFlags(Link))
		g.start(2, func(s SQE) { s.PrepSendTo(from, held([]byte("late")), 0, addr) })
		for range 3 * 16 { // around the queue
			g.queue(3, func(s SQE) { s.PrepSendTo(-1, held([]byte("no")), 0, Sockaddr{}) })
			equal(t, "another send", g.await(1)[0].Err(), error(syscall.EBADF))
		}
		g.write(int(out), "x")
		equal(t, "results", g.results(2), map[uint64]int32{1: int32(PollIn), 2: 4})
		equal(t, "received", g.read(int(to)), "late")
	})
}

// Messages of many parts wait in a full socket for a slow reader, each with
// parts of its own that the kernel has to keep.
func TestMessagesOfManyPartsWaitForASlowReader(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		in, out := testutil.TCPPair(t)
		g.must(syscall.SetsockoptInt(out, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 8192))
		const messages, partsOfEach, part = 64, 16, 64
		total := 0
		for { // until it is full
			n, err := syscall.SendmsgN(out, make([]byte, 4096), nil, nil, syscall.MSG_DONTWAIT)
			if err == syscall.EAGAIN {
				break
			}
			g.must(err)
			total += n
		}
		var sent []*Msg
		for range messages {
			parts := make([][]byte, partsOfEach)
			for i := range parts {
				parts[i] = held(bytes.Repeat([]byte{byte(i)}, part))
			}
			sent = append(sent, NewMsg(parts...))
			g.must(g.MakeRoom(1))
			g.queue(1, func(s SQE) { s.PrepSendMsg(FD(out), sent[len(sent)-1], 0) })
		}
		read := make(chan int)
		go func() {
			n := 0
			for p := make([]byte, 512); ; {
				k, err := syscall.Read(in, p)
				if k <= 0 || err != nil {
					read <- n
					return
				}
				n += k
			}
		}()
		for range messages {
			c := g.next()
			g.must(c.Err())
			total += int(c.Res)
		}
		runtime.KeepAlive(sent)
		shutdown(t, out)
		equal(t, "bytes", <-read, total)
	})
}

// Zero-copy and other sends, over IPv4 and IPv6, in streams and datagrams, in
// one part and in many, in a worker or not: the same bytes come.
func TestSendsOfEveryForm(t *testing.T) {
	testutil.Need(t, HaveSendMsgZC)
	inEachMode(t, func(t *testing.T, g *rig) {
		reg := g.register(64 << 10)
		copy(reg.Bytes(), randomBytes(1, 64<<10))
		for _, span := range [][2]int{{0, 137}, {0, 4096}, {41, 8192 - 13}, {13, 60_000}} {
			p := reg.Bytes()[span[0]:span[1]]
			m := NewMsg(p[:1], p[1:50], p[50:51], p[51:len(p)-1], p[len(p)-1:])
			forms := map[string]func(SQE, FD, IOFlags) error{
				"send": func(s SQE, fd FD, _ IOFlags) error { s.PrepSend(fd, p, syscall.MSG_WAITALL); return nil },
				"sendmsg": func(s SQE, fd FD, _ IOFlags) error {
					s.PrepSendMsg(fd, m, syscall.MSG_WAITALL)
					return nil
				},
				"send_zc": func(s SQE, fd FD, f IOFlags) error { return s.PrepSendZC(fd, p, syscall.MSG_WAITALL, f) },
				"send_zc_fixed": func(s SQE, fd FD, f IOFlags) error {
					return s.PrepSendZCFixed(fd, reg, p, syscall.MSG_WAITALL, f)
				},
				"sendmsg_zc": func(s SQE, fd FD, f IOFlags) error {
					return s.PrepSendMsgZC(fd, m, syscall.MSG_WAITALL, f)
				},
			}
			if HaveSendMsgZCFixed() == nil {
				forms["sendmsg_zc_fixed"] = func(s SQE, fd FD, f IOFlags) error {
					return s.PrepSendMsgZCFixed(fd, reg, m, syscall.MSG_WAITALL, f)
				}
			}
			for name, form := range forms {
				for transport, pair := range ipPairs(t) {
					if transport != "TCP" && len(p) > 32<<10 {
						continue // too many pages for one packet
					}
					g.sendsForm(name+" over "+transport, form, pair, p)
				}
			}
			runtime.KeepAlive(m)
		}
	})
}

// sendsForm makes one send in each way to start it, and receives it.
func (g *rig) sendsForm(name string, form func(SQE, FD, IOFlags) error, pair [2]int, p []byte) {
	g.Helper()
	for _, async := range []SQEFlags{0, Async} {
		for _, poll := range []IOFlags{0, PollFirst} {
			got := make([]byte, len(p)+1)
			s := g.queue(1, func(s SQE) { g.must(form(s, FD(pair[0]), poll)) })
			g.must(s.SetFlags(async))
			g.queue(2, func(s SQE) { s.PrepRecv(FD(pair[1]), got[:len(p)], syscall.MSG_WAITALL) })
			for left := 2; left > 0; left-- {
				c := g.next()
				if c.More() {
					left++
				}
				if !c.Notif() {
					equal(g, name, int(c.Res), len(p))
				}
			}
			equal(g, name+": bytes", bytes.Equal(got[:len(p)], p), true)
		}
	}
}

// ipPairs returns connected pairs of sockets, a sender and a receiver.
func ipPairs(t *testing.T) map[string][2]int {
	t.Helper()
	pairs := map[string][2]int{}
	add := func(name string, a, b int) { pairs[name] = [2]int{a, b} }
	a, b := testutil.TCPPair(t)
	add("TCP", a, b)
	a, b = testutil.UDPPair(t)
	add("UDP", a, b)
	if hasIPv6(t) {
		to := boundSocket(t, syscall.AF_INET6, syscall.SOCK_DGRAM, &syscall.SockaddrInet6{Addr: netip.IPv6Loopback().As16()})
		from := newSocket(t, syscall.AF_INET6, syscall.SOCK_DGRAM)
		addr, err := syscall.Getsockname(to)
		if err == nil {
			err = syscall.Connect(from, addr)
		}
		if err != nil {
			t.Fatal(err)
		}
		add("UDP and IPv6", from, to)
	}
	return pairs
}
