//go:build linux

package uring

import (
	"errors"
	"math"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// What the kernel gets wrong, or would answer with a bare EINVAL, is refused
// with a reason, and the entry becomes one that does nothing.

func TestScenario14_WaitAllWithIncrementalBuffers(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 1024, Incremental: true})
	s.refuses(func(q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0x400, syscall.MSG_WAITALL, 0) },
		"uring: MSG_WAITALL does not go with an incremental buffer ring: the kernel would overwrite received bytes")
}

// With classic buffers it works: the buffer is held until it is full.
func TestWaitAllFillsAClassicBuffer(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
	s.sqe(0, func(q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0, syscall.MSG_WAITALL, 0) })
	s.send(4)
	s.none()
	s.send(12)
	c := s.next()
	s.is(c, 16, 0, "B")
	s.take(c, place{0, 0, 16})
	s.settled()
}

func TestScenario15_DatagramsMeetAShortRest(t *testing.T) {
	refused := errCutsMessages.Error()
	config := BufRingConfig{Entries: 4, BufSize: 100, Incremental: true}

	t.Run("refused without MinLeft", func(t *testing.T) {
		in, out := testutil.UDPPair(t)
		s := stageOn(t, Config{}, config, in, out)
		s.refuses(func(q SQE) error { return q.PrepRecvMultishot(FD(in), s.br, 0) }, refused)
		s.refuses(func(q SQE) error { return q.PrepRecvProvided(FD(in), s.br, 0, 0, 0) }, refused)
		s.refuses(func(q SQE) error { return q.PrepReadProvided(FD(in), s.br, 0) }, refused)
		for _, typ := range []int{syscall.SOCK_DGRAM, syscall.SOCK_SEQPACKET} {
			fd, _ := testutil.UnixPair(t, typ)
			s.refuses(func(q SQE) error { return q.PrepRecvMultishot(FD(fd), s.br, 0) }, refused)
		}
	})
	t.Run("because the kernel cuts them off", func(t *testing.T) {
		in, out := testutil.UDPPair(t)
		c := config
		c.MinLeft = 1 // says that it may
		s := stageOn(t, Config{}, c, in, out)
		s.arm(0)
		s.datagram(60)
		c1 := s.next()
		s.is(c1, 60, 0, "MBb")
		s.datagram(62)
		c2 := s.next()
		s.is(c2, 40, 0, "MB")
		for _, c := range []CQE{c1, c2} {
			if err := s.br.Consume(c, func([]byte) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		s.cancel(uint64(in))
	})
	t.Run("never with MinLeft as large as they are", func(t *testing.T) {
		in, out := testutil.UDPPair(t)
		c := config
		c.MinLeft = 62
		s := stageOn(t, Config{}, c, in, out)
		s.arm(0)
		for i := range 8 {
			s.datagram(60 + i%2*2)
			c := s.next()
			s.is(c, 60+i%2*2, i%4, "MB") // 40 or 38 left are too few
			s.take(c, place{i % 4, 0, 60 + i%2*2})
			s.submit()
		}
		s.cancel(uint64(in))
		s.settled()
	})
}

// datagram sends the next n bytes of the stream as one.
func (s *stage) datagram(n int) { s.Helper(); s.send(n) }

func TestScenario16_TruncatedDatagramsThatClaimTheirLength(t *testing.T) {
	const want = "uring: MSG_TRUNC makes a completion claim more bytes than its buffer holds; PrepRecvMsgMultishot reports truncation"
	for name, incremental := range map[string]bool{"incremental": true, "classic": false} {
		t.Run(name, func(t *testing.T) {
			in, out := testutil.UDPPair(t)
			c := BufRingConfig{Entries: 2, BufSize: 100, Incremental: incremental}
			if incremental {
				c.MinLeft = 1
			}
			s := stageOn(t, Config{}, c, in, out)
			s.refuses(func(q SQE) error { return q.PrepRecvProvided(FD(in), s.br, 0, syscall.MSG_TRUNC, 0) }, want)
		})
	}
	// What the kernel makes of it all the same is refused too.
	t.Run("completion", func(t *testing.T) {
		in, out := testutil.UDPPair(t)
		s := stageOn(t, Config{}, BufRingConfig{Entries: 1, BufSize: 100}, in, out)
		q := s.sqe(0, func(q SQE) error { return q.PrepRecvProvided(FD(in), s.br, 0, 0, 0) })
		q.OpFlags |= cgo.MsgTrunc
		s.datagram(150)
		c := s.next()
		s.is(c, 150, 0, "B")
		before := s.br.Stats()
		s.fails(c, ErrBadCompletion)
		equal(t, "stats", s.br.Stats(), before)
	})
}

func TestReceivesAreRefusedWithAReason(t *testing.T) {
	needBundles(t, false)
	s := newStage(t, BufRingConfig{Group: 3, Entries: 2, BufSize: 64})
	other := newStage(t, BufRingConfig{Entries: 2, BufSize: 64})
	closed, err := s.ring.NewBufRing(BufRingConfig{Group: 4, Entries: 1, BufSize: 64})
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

func TestNewBufRingSaysWhatIsWrong(t *testing.T) {
	testutil.Need(t, HaveIncremental)
	ring, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	taken, err := ring.NewBufRing(BufRingConfig{Group: 7, Entries: 1, BufSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	for _, c := range []struct {
		config BufRingConfig
		want   string
	}{
		{BufRingConfig{BufSize: 1}, "uring: BufRingConfig.Entries is 0, want 1 to 32768"},
		{BufRingConfig{Entries: -4, BufSize: 1}, "uring: BufRingConfig.Entries is -4, want 1 to 32768"},
		{BufRingConfig{Entries: 65536, BufSize: 1}, "uring: BufRingConfig.Entries is 65536, want 1 to 32768"},
		{BufRingConfig{Entries: 1000, BufSize: 1}, "uring: BufRingConfig.Entries is 1000, want a power of two such as 1024"},
		{BufRingConfig{Entries: 1}, "uring: BufRingConfig.BufSize is 0, want 1 to 1073741824"},
		{BufRingConfig{Entries: 1, BufSize: -1}, "uring: BufRingConfig.BufSize is -1, want 1 to 1073741824"},
		{BufRingConfig{Entries: 1, BufSize: 1<<30 + 1}, "uring: BufRingConfig.BufSize is 1073741825, want 1 to 1073741824"},
		{BufRingConfig{Entries: 1, BufSize: 8, MinLeft: -1, Incremental: true}, "uring: BufRingConfig.MinLeft is -1, want 0 to BufSize, 8"},
		{BufRingConfig{Entries: 1, BufSize: 8, MinLeft: 9, Incremental: true}, "uring: BufRingConfig.MinLeft is 9, want 0 to BufSize, 8"},
		{BufRingConfig{Entries: 1, BufSize: 8, MinLeft: 1}, "uring: BufRingConfig.MinLeft is 1, but only an incremental ring keeps a rest: set Incremental, or leave it 0"},
		{BufRingConfig{Entries: 2, BufSize: 1 << 30, Registered: true}, "uring: BufRingConfig.Registered: 2147483648 bytes of buffers, the kernel registers at most 1073741824"},
		{BufRingConfig{Group: 7, Entries: 1, BufSize: 1}, "uring: buffer group 7 is in use on this ring"},
	} {
		br, err := ring.NewBufRing(c.config)
		if err == nil {
			br.Close()
		}
		equal(t, "error", text(err), c.want)
	}
}

func TestNewBufRingNamesTheKernelThatHasIncrementalBuffers(t *testing.T) {
	replaceProbe(t, &probeIncremental, lacking("incremental buffers", 6, 12))
	ring, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	_, err = ring.NewBufRing(BufRingConfig{Entries: 1, BufSize: 1, Incremental: true})
	if !errors.Is(err, ErrNotSupported) {
		t.Error(err)
	}
	equal(t, "error", text(err), "uring: incremental buffers not supported (needs Linux 6.12 or later)")
}
