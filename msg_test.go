//go:build linux && cgo

package uring

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// receiveMsg sends a message of n bytes over UDP and returns what a multishot
// receive of m makes of it.
func receiveMsg(t *testing.T, m *Msg, room, msgFlags, n int) (got RecvMsg) {
	t.Helper()
	g := newRig(t, Config{Entries: 8})
	from := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
	to := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
	dest, err := syscall.Getsockname(to)
	g.must(err)
	br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 4, BufSize: m.Overhead() + room})
	g.must(err)
	g.queue(1, func(s SQE) { err = s.PrepRecvMsgMultishot(FD(to), br, m, msgFlags) })
	g.must(err)
	g.submit()
	g.must(syscall.Sendto(from, []byte(strings.Repeat("m", n)), 0, dest))
	c := g.await(1)[0]
	g.must(c.Err())
	g.must(br.Consume(c, func(p []byte) error {
		var err error
		got, err = m.Parse(p)
		got.Name, got.Control, got.Payload = bytes.Clone(got.Name), bytes.Clone(got.Control), bytes.Clone(got.Payload)
		return err
	}))
	return got
}

// Parts, as those for PrepRecvMsg, neither limit what a multishot receive puts
// into its buffers nor make the kernel refuse it, and are there for the next
// request.
func TestPartsDoNotCutMessagesOfAMultishotReceive(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	for _, parts := range [][]int{{}, {0}, {1}, {160}, {4096}, {1, 1}, {100, 4096, 0}} {
		t.Run(fmt.Sprint(parts), func(t *testing.T) {
			m := NewMsg()
			m.WantAddr()
			var memory [][]byte
			for _, n := range parts {
				memory = append(memory, make([]byte, n))
			}
			m.SetParts(memory...)
			got := receiveMsg(t, m, 2000, 0, 1480)
			equal(t, "payload", string(got.Payload), strings.Repeat("m", 1480))
			equal(t, "flags", got.Flags, 0)

			g := newRig(t, Config{Entries: 8})
			in, out := testutil.UDPPair(t)
			g.write(out, "xy")
			room := 0
			for _, p := range memory {
				room += len(p)
			}
			equal(t, "received into the parts", g.do(func(s SQE) { s.PrepRecvMsg(FD(in), m, 0) }), min(room, 2))
		})
	}
}

func TestPayloadLenOfACutMessage(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	for msgFlags, want := range map[int]int{0: 100, syscall.MSG_TRUNC: 9000} {
		got := receiveMsg(t, NewMsg(), 100, msgFlags, 9000)
		equal(t, "payload", len(got.Payload), 100)
		equal(t, "length", got.PayloadLen, want)
		equal(t, "is cut off", got.Flags&syscall.MSG_TRUNC != 0, true)
	}
}

// One Msg is a template that others are copied from.
func TestCopiesOfAMsgAreMessagesOfTheirOwn(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		from := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
		to := boundSocket(t, syscall.AF_INET, syscall.SOCK_DGRAM, loopback4)
		dest, err := InetAddr(localAddr(t, to))
		g.must(err)

		template := NewMsg(make([]byte, 8))
		template.WantAddr()
		first, second := *template, *template
		one, two := make([]byte, 8), make([]byte, 8)
		first.SetParts(one)
		second.SetParts(two)
		third := first // a copy of a copy
		for i, m := range []*Msg{&first, &second, &third} {
			text := fmt.Sprint("text ", i)
			out := NewMsg([]byte(text))
			out.SetAddr(dest)
			sent := *out
			out.SetAddr(Sockaddr{}) // is not where the copy goes
			equal(t, "sent", g.do(func(s SQE) { s.PrepSendMsg(FD(from), &sent, 0) }), len(text))
			equal(t, "received", g.do(func(s SQE) { s.PrepRecvMsg(FD(to), m, 0) }), len(text))
			source := m.Addr()
			addr, _ := source.AddrPort()
			equal(t, "source", addr, localAddr(t, from))
		}
		equal(t, "parts", string(one[:6])+", "+string(two[:6]), "text 2, text 1")
		none := template.Addr()
		_, ok := none.AddrPort()
		equal(t, "the template has an address", ok, false)
		equal(t, "the template's part", len(template.parts[0]), 8)
		equal(t, "the template's memory", string(template.parts[0]), string(make([]byte, 8)))
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
		a, b := streamPair(g)
		file := int(newFile(t, "content").Fd())
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

// Room for addresses of one kind is smaller than for any.
func TestWantAddrLen(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	m := NewMsg()
	m.WantAddrLen(AddrLen4)
	equal(t, "overhead", m.Overhead(), 16+16)
	got := receiveMsg(t, m, 100, 0, 10)
	ap, ok := got.AddrPort()
	equal(t, "has an address", ok, true)
	equal(t, "address", ap.Addr().String(), "127.0.0.1")

	m.WantAddrLen(2) // the kind only
	equal(t, "name", len(receiveMsg(t, m, 100, 0, 10).Name), 2)
	m.WantAddrLen(0)
	equal(t, "overhead without", m.Overhead(), 16)
	m.WantAddr()
	equal(t, "overhead of any", m.Overhead(), 16+128)
	defer func() { equal(t, "panic", recover(), any("uring: WantAddrLen: 129 bytes, want 0 to 128")) }()
	m.WantAddrLen(129)
}
