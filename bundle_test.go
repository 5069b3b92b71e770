//go:build linux

package uring

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// A ring of the largest size; positions go round it.
func TestLargestSendRing(t *testing.T) {
	testutil.Need(t, SendBundle.have)
	testutil.Need(t, HaveBundles)
	s := newSender(t, SendQueueConfig{Mode: SendBundle, Entries: 32768})
	s.feeds(BufRingConfig{Entries: 32768, BufSize: 1})
	const pieces = 30000
	for range 3 {
		s.send(pieces)
		for s.q.Queued() < pieces {
			s.must(second(s.q.AppendCompletion(s.br, s.recv(0, syscall.MSG_DONTWAIT, Bundle))))
		}
		s.finish()
		s.arrives(pieces)
		s.released()
	}
	equal(t, "pieces", s.q.Stats().Pieces, 3*pieces)
	s.picked(3 * pieces % (1 << 16))
}

func TestSendModeNames(t *testing.T) {
	var names []string
	for m := SendMode(-1); m <= SendZCGather+1; m++ {
		names = append(names, m.String())
		if known := !strings.HasPrefix(m.String(), "SendMode("); known && m != SendAuto && !slices.Contains(sendModes, m) {
			t.Errorf("sendModes lacks %v: no test of queues runs in it", m)
		}
	}
	equal(t, "names", strings.Join(names, " "), "SendMode(-1) auto bundle vectored provided plain zc zc-gather SendMode(7)")
}

// SendAuto takes what there is; a mode that is asked for and missing is an
// error.
func TestModesThatTheKernelLacks(t *testing.T) {
	fd, _ := streamPair(t)
	s := bareStage(t, Config{})
	open := func(m SendMode) (SendMode, error) {
		q, err := s.NewSendQueue(FD(fd), SendQueueConfig{Mode: m})
		if err != nil {
			return 0, err
		}
		defer q.Close()
		return q.Mode(), nil
	}
	auto := func(want SendMode) {
		t.Helper()
		m, err := open(SendAuto)
		s.must(err)
		equal(t, "mode", m, want)
	}
	if SendBundle.have() == nil {
		auto(SendBundle)
	}
	replaceProbe(t, &probeSendBundles, lacking("send bundles", 6, 10))
	replaceProbe(t, &probeSendProvided, lacking("sends from provided buffers", 6, 10))
	replaceProbe(t, &probeSendZC, lacking("zero-copy send", 6, 0))
	auto(SendVectored)
	for _, m := range []SendMode{SendBundle, SendProvided, SendZC, SendZCGather} {
		if _, err := open(m); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%v: %v", m, err)
		}
	}
	for _, m := range []SendMode{SendVectored, SendPlain} {
		if got, err := open(m); got != m || err != nil {
			t.Errorf("%v: %v, %v", m, got, err)
		}
	}
}

// Queues take buffer groups from the top, past those of the program, and give
// them back.
func TestBufferGroupsOfSendQueues(t *testing.T) {
	testutil.Need(t, SendProvided.have)
	s := bareStage(t, Config{})
	fd, _ := streamPair(t)
	br, err := s.NewBufRing(BufRingConfig{Group: 65534, Entries: 1, BufSize: 1})
	s.must(err)
	open := func(slot uint32) (*SendQueue, error) {
		return s.NewSendQueue(FD(fd), SendQueueConfig{Mode: SendProvided, Entries: 1, Token: MakeToken(0, 0, slot)})
	}
	a, err := open(1)
	s.must(err)
	b, err := open(2)
	s.must(err)
	equal(t, "groups", []uint16{a.group, b.group}, []uint16{65535, 65533})
	_, err = s.NewBufRing(BufRingConfig{Group: 65535, Entries: 1, BufSize: 1})
	equal(t, "error", text(err), "uring: buffer group 65535 is in use on this ring")

	// With all others taken there is none for a third, until one is closed.
	for g := range 1 << 16 {
		if _, taken := s.Ring.groups[uint16(g)]; !taken {
			s.Ring.groups[uint16(g)] = struct{}{}
			defer delete(s.Ring.groups, uint16(g))
		}
	}
	_, err = open(3)
	equal(t, "error", text(err), "uring: all 65536 buffer groups of the ring are in use")
	s.must(b.Close())
	c, err := open(3)
	s.must(err)
	equal(t, "group", c.group, 65533)
	for _, q := range []*SendQueue{a, c} {
		s.must(q.Close())
	}
	s.must(br.Close())
}
