//go:build linux

package uring

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

// newRaw makes a raw buffer ring of group 3.
func (g *rig) newRaw(c RawBufRingConfig) *RawBufRing {
	g.Helper()
	c.Group = 3
	b, err := g.NewRawBufRing(c)
	g.must(err)
	return b
}

// give adds a buffer and gives it to the kernel.
func (g *rig) give(b *RawBufRing, id uint16, mem []byte) {
	g.Helper()
	g.must(b.Add(id, mem))
	equal(g, "given", b.Advance(), 1)
}

// picked checks that a completion brought n bytes into buffer id.
func picked(t *testing.T, c CQE, id uint16, n int) {
	t.Helper()
	got, ok := c.BufferID()
	if !ok || got != id || int(c.Res) != n {
		t.Fatalf("%v, want %d bytes in buffer %d", c, n, id)
	}
}

// Buffers of any size, number and memory, that come in later. There is one to spare
// until the end: Linux 6.1 looks for data once more when a receive has used a buffer,
// and ends it if there is no other.
func TestRawBufRingReceives(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		br := g.newRaw(RawBufRingConfig{Entries: 4})
		small, large := held(make([]byte, 3)), g.arena(4096).Bytes()
		g.give(br, 500, small)
		g.give(br, 7, large[:3])
		g.give(br, 65535, large[4000:])
		g.start(1, func(s SQE) { g.must(s.PrepRecvMultishotGroup(FD(a), br.Group(), 0)) })
		g.write(b, "abcdef")
		picked(t, g.next(), 500, 3)
		c := g.next()
		picked(t, c, 7, 3)
		equal(t, "bytes", string(small)+string(large[:3]), "abcdef")
		equal(t, "more", c.More(), true)
		g.give(br, 8, large[100:])
		g.write(b, "gh")
		picked(t, g.next(), 65535, 2)
		equal(t, "bytes", string(large[4000:4002]), "gh")
		g.write(b, "ij")
		picked(t, g.next(), 8, 2)
		equal(t, "bytes", string(large[100:102]), "ij")
		g.write(b, "k")
		c = g.next()
		equal(t, "error without a buffer", c.Err(), error(syscall.ENOBUFS))
		equal(t, "over", c.More(), false)
		g.must(br.Close())
		equal(t, "a second Close", br.Close(), nil)
		equal(t, "use after it", br.Add(1, small), ErrClosed)
	})
}

// What one's own buffers hold can be sent, one by one or as bundles.
func TestRawBufRingSends(t *testing.T) {
	testutil.Need(t, HaveSendBundles)
	g := newRig(t, Config{Entries: 8})
	a, b := streamPair(g)
	br := g.newRaw(RawBufRingConfig{Entries: 8})
	g.give(br, 1, held([]byte("one ")))
	c := g.answer(func(s SQE) { s.PrepSend(FD(a), nil, NoSignal); g.must(s.SetBufGroup(br.Group())) })
	picked(t, c, 1, 4)
	for i, text := range []string{"two ", "three ", "four"} {
		g.must(br.Add(uint16(20+i), held([]byte(text))))
	}
	equal(t, "given", br.Advance(), 3)
	c = g.answer(func(s SQE) { g.must(s.PrepSendBundle(FD(a), br.Group(), 0, NoSignal)) })
	picked(t, c, 20, 14)
	equal(t, "received", g.read(b), "one two three four")
	if HaveBufRingStatus() == nil {
		head, err := br.Head()
		g.must(err)
		left, err := br.Available()
		g.must(err)
		equal(t, "head, and what is left", []int{int(head), left}, []int{4, 0})
	}
}

// The buffers of an incremental ring are used piece by piece.
func TestRawBufRingIncremental(t *testing.T) {
	testutil.Need(t, HaveIncremental)
	g := newRig(t, Config{Entries: 8})
	a, b := streamPair(g)
	br := g.newRaw(RawBufRingConfig{Entries: 1, Incremental: true})
	mem := held(make([]byte, 8))
	g.give(br, 9, mem)
	g.start(1, func(s SQE) { g.must(s.PrepRecvMultishotGroup(FD(a), br.Group(), 0)) })
	for _, text := range []string{"abc", "de", "fgh"} {
		g.write(b, text)
		c := g.next()
		picked(t, c, 9, len(text))
		equal(t, "the kernel keeps the buffer", c.BufferMore(), text != "fgh")
	}
	equal(t, "bytes", string(mem), "abcdefgh")
}

// Groups of the older kind do for multishot requests as well.
func TestMultishotIntoOlderGroups(t *testing.T) {
	testutil.Need(t, HaveRecvMultishot)
	g := newRig(t, Config{Entries: 8})
	mem := g.arena(4096).Bytes()
	g.want(0, func(s SQE) { g.must(s.PrepProvideBuffers(mem, 1024, 5, 30)) })
	a, b := streamPair(g)
	g.start(1, func(s SQE) { g.must(s.PrepRecvMultishotGroup(FD(a), 5, 0)) })
	g.write(b, "stream")
	first, _ := g.next().BufferID()
	equal(t, "bytes", string(mem[int(first-30)*1024:][:6]), "stream")

	in, out := testutil.UDPPair(t)
	m := NewMsg()
	m.WantAddrLen(AddrLen4)
	g.start(2, func(s SQE) { g.must(s.PrepRecvMsgMultishotGroup(FD(in), 5, m, 0)) })
	g.write(out, "datagram")
	c := g.next()
	id, _ := c.BufferID()
	got, err := m.Parse(mem[int(id-30)*1024:][:c.Res])
	g.must(err)
	equal(t, "payload", string(got.Payload), "datagram")
	equal(t, "bytes", int(c.Res), 16+AddrLen4+8)
	if HaveReadMultishot() == nil {
		rd, wr := g.pipe()
		g.start(3, func(s SQE) { g.must(s.PrepReadMultishotGroup(rd, 5)) })
		g.write(int(wr), "pipe")
		c = g.next()
		id, _ = c.BufferID()
		equal(t, "bytes", string(mem[int(id-30)*1024:][:c.Res]), "pipe")
	}
}

func TestRawBufRingRefusals(t *testing.T) {
	g := newRig(t, Config{Entries: 8})
	br := g.newRaw(RawBufRingConfig{Entries: 2})
	_, err := g.NewRawBufRing(RawBufRingConfig{Group: 3, Entries: 2})
	wantError(t, err, "group 3 is in use")
	_, err = g.NewBufRing(BufRingConfig{Group: 3, Entries: 2, BufSize: 64})
	wantError(t, err, "group 3 is in use")
	_, err = g.NewRawBufRing(RawBufRingConfig{Group: 4, Entries: 3})
	wantError(t, err, "power of two")
	wantError(t, br.Add(1, nil), "buffer 1 of 0 bytes")
	g.must(br.Add(1, held(make([]byte, 1))))
	g.must(br.Add(2, held(make([]byte, 1))))
	wantError(t, br.Add(3, held(make([]byte, 1))), "one more than the 2 entries")

	owned, err := g.NewBufRing(BufRingConfig{Group: 6, Entries: 2, BufSize: 64})
	g.must(err)
	for name, prep := range map[string]func(SQE) error{
		"PrepRecvMultishotGroup":    func(s SQE) error { return s.PrepRecvMultishotGroup(0, owned.Group(), 0) },
		"PrepRecvMsgMultishotGroup": func(s SQE) error { return s.PrepRecvMsgMultishotGroup(0, owned.Group(), NewMsg(), 0) },
		"PrepReadMultishotGroup":    func(s SQE) error { return s.PrepReadMultishotGroup(0, owned.Group()) },
	} {
		if err := prep(g.sqe()); err == nil || !strings.Contains(err.Error(), "belongs to a BufRing") {
			t.Errorf("%s: %v", name, err)
		}
	}
	g.none()
}

// What the entries point at stays reachable, and the ring's end takes all along.
func TestRawBufRingGoesWithItsRing(t *testing.T) {
	g := unclosedRig(t, Config{Entries: 4})
	br := g.newRaw(RawBufRingConfig{Entries: 1})
	a, b := streamPair(t)
	g.give(br, 1, make([]byte, 16))
	s := g.queue(1, func(s SQE) { s.PrepRecv(FD(a), nil, 0); g.must(s.SetBufGroup(3)) })
	g.must(s.SetFlags(Async))
	g.submit()
	g.write(b, "data")
	g.must(g.WaitReady(1, 10*time.Second))
	equal(t, "bytes", string(br.held[0][:4]), "data")
	g.must(g.Close())
	equal(t, "use after it", br.Add(1, make([]byte, 1)), ErrClosed)
	equal(t, "given after it", br.Advance(), 0)
	_, err := br.Head()
	equal(t, "is ErrClosed", errors.Is(err, ErrClosed), true)
}
