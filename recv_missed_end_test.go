//go:build linux

package uring

import (
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Data for 40 buffers and the end of the stream are there when a multishot
// receive starts. It may miss the end; a poll does not, and a receive without
// multishot gets it.
func TestEndThatAMultishotReceiveMissesIsSeenByAPoll(t *testing.T) {
	const n, poller = 40, 1 << 41
	missed, err := bugMissedEnd.check()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		stage func(testing.TB, BufRingConfig) *stage
		end   func(*stage)
		want  int // result at the end
	}{
		{"close of a UNIX stream", newStage, func(s *stage) { s.must(syscall.Shutdown(s.out, syscall.SHUT_WR)) }, 0},
		{"reset of a TCP connection", newTCPStage, func(s *stage) { s.must(reset(s.out)) }, -int(syscall.ECONNRESET)},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := test.stage(t, BufRingConfig{Entries: 64, BufSize: 1})
			s.send(n)
			test.end(s)
			s.sqe(poller, func(q SQE) error { q.PrepPollAdd(FD(s.in), 0); return nil })
			s.arm(0)
			gone := false
			for s.got < n || !gone {
				switch c := s.next(); {
				case c.UserData == poller:
					gone = c.Err() == nil
				default:
					s.is(c, 1, s.got, "MB")
					s.consume(c)
				}
			}
			if _, err := s.ring.SubmitAndWaitTimeout(1, 20*time.Millisecond); missed != "" && err != nil {
				for _, c := range s.cancel(uint64(s.in)) {
					s.fails(c, syscall.ECANCELED)
				}
				s.sqe(0, func(q SQE) error { return q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0) })
			}
			c := s.next()
			equal(t, "result", int(c.Res), test.want)
			s.fails(c, c.Err())
		})
	}
}

// reset sends a reset on a TCP connection: connecting to nowhere does.
func reset(fd int) error {
	var nowhere syscall.RawSockaddr // AF_UNSPEC
	_, _, errno := syscall.Syscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nowhere)), unsafe.Sizeof(nowhere))
	if errno != 0 {
		return errno
	}
	return nil
}
