//go:build linux

package uring

import (
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/testutil"
)

// A zcStage is what zero-copy sends without a send queue are tested on: a TCP
// connection, and registered memory that holds the stream.
type zcStage struct {
	*sender // its queue is nil
	mem     *Arena
	reg     RegBuf
}

const zcMemory = 1 << 20

func newZCStage(t *testing.T, c Config) *zcStage {
	t.Helper()
	testutil.Need(t, HaveSendZC)
	s := &zcStage{sender: &sender{stage: bareStage(t, c)}}
	s.fd, s.peer = testutil.TCPPair(t)
	s.roomy()
	s.mem, s.reg = s.mapRegistered(zcMemory)
	copy(s.mem.Bytes(), stream(0, zcMemory))
	return s
}

// register maps and registers memory until the test ends.
func (s *stage) mapRegistered(size int) (*Arena, RegBuf) {
	s.Helper()
	mem, err := NewArena(ArenaConfig{Size: size})
	s.must(err)
	reg, err := s.RegisterArena(mem)
	s.must(err)
	s.Cleanup(func() { // runs before the ring is closed
		if s.Ring.buffers.holds(reg) {
			s.must(s.UnregisterArena(reg))
		}
		_ = mem.Close()
	})
	return mem, reg
}

// beyond is more than the peer's socket holds, and less than a roomy one.
const beyond = 256 << 10

// part returns n bytes of the memory, from off on.
func (s *zcStage) part(off, n int) []byte { return s.mem.Bytes()[off : off+n : off+n] }

// sendZC queues a plain zero-copy send of the next n bytes of the stream.
func (s *zcStage) sendZC(userData uint64, n, msgFlags int) {
	s.Helper()
	p := s.part(s.sent, n)
	s.queue(userData, func(q SQE) { s.must(q.PrepSendZC(FD(s.fd), p, msgFlags, ReportUsage)) })
	s.sent += n
}

// result checks that the next completion is the result of a zero-copy send
// whose notification follows, and returns it.
func (s *stage) result(res int) CQE {
	s.Helper()
	c := s.next()
	s.is(c, res, -1, "M")
	return c
}

// notified checks that the next completion is a notification, and returns it.
func (s *stage) notified() CQE {
	s.Helper()
	c := s.next()
	s.isNotif(c)
	return c
}

func (s *stage) isNotif(c CQE) {
	s.Helper()
	got := observe(c)
	if uint32(got.Res) == cgo.NotifUsageZCCopied {
		got.Res = 0 // as it is everywhere on loopback
	}
	equal(s, "notification", got, completion{0, -1, "N"})
}

// nextOf returns the next completion with this user data.
func (s *stage) nextOf(userData uint64) CQE {
	s.Helper()
	for {
		if c := s.next(); c.UserData == userData {
			return c
		}
	}
}

func oneOf(err error, want []syscall.Errno) bool {
	for _, w := range want {
		if err == w {
			return true
		}
	}
	return false
}

// notifUserData checks what addr3 means where the kernel takes it.
func (s *zcStage) notifUserData() {
	s.Helper()
	s.queue(7, func(q SQE) {
		err := q.PrepSendZC(FD(s.fd), s.part(0, 100), 0, 0)
		q.Addr3 = 8
		s.must(err)
	})
	equal(s, "user data of the result", s.result(100).UserData, 7)
	equal(s, "user data of the notification", s.notified().UserData, 8)
}
