//go:build linux

package uring

import (
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
		q := s.queue(0, func(q SQE) { s.must(q.PrepRecvProvided(FD(in), s.br, 0, 0, 0)) })
		q.OpFlags |= cgo.MsgTrunc
		s.datagram(150)
		c := s.next()
		s.is(c, 150, 0, "B")
		before := s.br.Stats()
		s.failed(c, ErrBadCompletion)
		equal(t, "stats", s.br.Stats(), before)
	})
}
