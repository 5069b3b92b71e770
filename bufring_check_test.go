//go:build linux

package uring

import (
	"math"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/kernel"
)

func TestReceivesAreRefusedWithAReason(t *testing.T) {
	needBundles(t, false)
	s := newStage(t, BufRingConfig{Group: 3, Entries: 2, BufSize: 64})
	other := newStage(t, BufRingConfig{Entries: 2, BufSize: 64})
	closed, err := s.NewBufRing(BufRingConfig{Group: 4, Entries: 1, BufSize: 64})
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	named := NewMsg()
	named.WantAddr()

	in := FD(s.in)
	for _, c := range []struct {
		name string
		prep func(SQE) error
		want string
	}{
		{"no buffer ring", func(q SQE) error { return q.PrepRecvMultishot(in, nil, 0) },
			"uring: no buffer ring; Ring.NewBufRing makes one"},
		{"a closed one", func(q SQE) error { return q.PrepRecvMultishot(in, closed, 0) },
			"uring: buffer ring 4: use after Close"},
		{"another ring's", func(q SQE) error { return q.PrepRecvMultishot(in, other.br, 0) },
			"uring: buffer ring 0 belongs to another Ring"},
		{"another ring's, to read", func(q SQE) error { return q.PrepReadProvided(in, other.br, 0) },
			"uring: buffer ring 0 belongs to another Ring"},
		{"flags of sends", func(q SQE) error { return q.PrepRecvMultishot(in, s.br, ReportUsage) },
			"uring: I/O flags 0x8 do not go with a receive"},
		{"length of a bundle", func(q SQE) error { return q.PrepRecvProvided(in, s.br, 1, 0, Bundle) },
			"uring: a length does not limit a receive bundle: use 0"},
		{"negative length", func(q SQE) error { return q.PrepRecvProvided(in, s.br, -1, 0, 0) },
			"uring: receive of -1 bytes, want 0 to 2147483647"},
		{"too long a read", func(q SQE) error { return q.PrepReadProvided(in, s.br, math.MaxInt32+1) },
			"uring: read of 2147483648 bytes, want 0 to 2147483647"},
		{"bundle that waits for all", func(q SQE) error { return q.PrepRecvProvided(in, s.br, 0, syscall.MSG_WAITALL, Bundle) },
			"uring: MSG_WAITALL does not go with a receive bundle: the kernel could lose buffers"},
		{"peek", func(q SQE) error { return q.PrepRecvProvided(in, s.br, 0, syscall.MSG_PEEK, 0) },
			"uring: MSG_PEEK would use up provided buffers for the same bytes again and again"},
		{"peek at messages", func(q SQE) error { return q.PrepRecvMsgMultishot(in, s.br, NewMsg(), syscall.MSG_PEEK) },
			"uring: MSG_PEEK would use up provided buffers for the same bytes again and again"},
		{"messages in small buffers", func(q SQE) error { return q.PrepRecvMsgMultishot(in, s.br, named, 0) },
			"uring: buffers of 64 bytes have no room for a message's header of 144"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := *s
			s.TB = t
			s.refuses(c.prep, c.want)
		})
	}
}

func TestBundlesAreRefusedOnKernelsWithoutThem(t *testing.T) {
	replaceProbe(t, &probeBundles, lacking("receive bundles", 6, 10))
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 64})
	const want = "uring: receive bundles not supported (needs Linux 6.10 or later)"
	s.refuses(func(q SQE) error { return q.PrepRecvMultishot(FD(s.in), s.br, Bundle) }, want)
	s.refuses(func(q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0, 0, Bundle) }, want)
}

// A bundle's first go may be shorter than the buffer has room: as long as the
// buffer had that was first when the request began to wait. With MinLeft the
// kernel can write off what is left then, and go on in the next buffer. The
// completion looks as if the bytes followed each other.
func TestBundleWithMinLeftIsRefused(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 4, BufSize: 512, Incremental: true, MinLeft: 80})
	for name, prep := range map[string]func(SQE) error{
		"single":    func(q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0, 0, Bundle) },
		"multishot": func(q SQE) error { return q.PrepRecvMultishot(FD(s.in), s.br, Bundle) },
	} {
		t.Run(name, func(t *testing.T) { s.refuses(prep, errBundleMinLeft.Error()) })
	}

	s.send(168)
	s.take(s.recv(0, 0, 0), place{0, 0, 168})
	slow, toSlow := streamPair(t)
	s.queue(uint64(slow), func(q SQE) {
		s.singleReceives()
		err := q.PrepRecvProvided(FD(slow), s.br, 0, 0, 0)
		q.IOPrio |= uint16(Bundle)
		s.must(err)
	})
	s.submit() // 344 bytes are left in the first buffer
	s.send(344)
	s.take(s.recv(0, 0, 0), place{0, 168, 344})
	s.send(113)
	s.take(s.recv(0, 0, 0), place{1, 0, 113})
	writeAll(s, toSlow, make([]byte, 455))
	c := s.next()
	if !hasLinux(t, kernel.V(6, 15)) { // fills a bundle in one go: what is written off lies behind it
		s.is(c, 344, 1, "B")
		return
	}
	s.is(c, 455, 1, "Bb")
	const asIfWithoutGap = 113 + 455 - 512
	if got := s.entryAt(2); got.Off != asIfWithoutGap {
		t.Logf("the kernel left %d bytes out in the middle", got.Off-asIfWithoutGap)
		s.entry(2, place{2, 455 - 344, 512 - (455 - 344)})
	}
}

// With classic buffers it works: the buffer is held until it is full.
func TestWaitAllFillsAClassicBuffer(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
	s.queue(0, func(q SQE) { s.must(q.PrepRecvProvided(FD(s.in), s.br, 0, syscall.MSG_WAITALL, 0)) })
	s.send(4)
	s.none()
	s.send(12)
	c := s.next()
	s.is(c, 16, 0, "B")
	s.take(c, place{0, 0, 16})
	s.settled()
}
