//go:build linux && cgo

package uring

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

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
		got.Payload = append([]byte(nil), got.Payload...)
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
