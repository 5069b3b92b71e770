//go:build linux

package uring

import (
	"fmt"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// A program may come to the notification before the result. Memory goes back
// with the second of them, whichever that is, and neither counts twice.
func TestNotificationBeforeItsResult(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: 1000, ZCAlways: true})
	for round := range 3 {
		s.put(1000)
		s.flush()
		s.arrives(1000)
		result := s.result(1000)
		notif := s.notified()

		s.complete(notif, 0)
		equal(t, "space after the notification", s.q.Space(), 0)
		equal(t, "in flight", s.q.InFlight(), true)
		equal(t, "bytes queued", s.q.Queued(), 1000)
		s.completeErr(notif, ErrBadCompletion)

		s.complete(result, 1000)
		equal(t, "space after both", s.q.Space(), 1000)
		equal(t, "in flight", s.q.InFlight(), false)
		s.completeErr(result, ErrBadCompletion)
		s.completeErr(notif, ErrBadCompletion)
		stats := s.q.Stats()
		equal(t, "bytes, sends and notifications", [3]int{int(stats.Bytes), int(stats.ZeroCopy), int(stats.Notifications)},
			[3]int{1000 * (round + 1), round + 1, round + 1})
	}
	s.released()
	s.none()
}

// Few bytes are copied, as that is cheaper.
func TestZCMin(t *testing.T) {
	for _, mode := range []SendMode{SendZC, SendZCGather} {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCMin: 100, ZCAlways: true})
			for i, n := range []int{99, 100, 1, 200} {
				s.put(n)
				s.finish()
				equal(t, "zero-copy sends", s.q.Stats().ZeroCopy, []uint64{0, 1, 1, 2}[i])
				s.arrives(n)
			}
			s.released()
			equal(t, "mode", s.q.Mode(), mode)
		})
	}
}

// Only so many sends may be without notification; the others wait.
func TestNotificationsThatDoNotCome(t *testing.T) {
	testutil.Need(t, HaveSendZC)
	s := newSender(t, SendQueueConfig{Mode: SendZC, Memory: 1 << 20, ZCAlways: true})
	s.roomy()
	s.put(beyond)
	s.flush()
	s.complete(s.result(beyond), beyond)
	for range maxUnnotified - 1 {
		s.put(1)
		s.flush()
		s.complete(s.result(1), 1)
	}
	equal(t, "without notification", s.q.Unnotified(), maxUnnotified)
	s.put(100)
	s.must(s.q.Flush())
	equal(t, "in flight", s.q.InFlight(), false)
	equal(t, "entries queued", s.Queued(), 0)

	join := s.reading()
	for s.q.Unnotified() > 0 {
		s.complete(s.notified(), 0)
	}
	s.finish()
	join()
	s.released()
}

// The kernel says that it copied, as it does on loopback: after some time the
// queue does so itself, which is cheaper.
func TestCopiesChangeTheMode(t *testing.T) {
	testutil.Need(t, HaveReportUsage)
	for _, always := range []bool{false, true} {
		for _, mode := range []SendMode{SendZC, SendZCGather} {
			t.Run(fmt.Sprintf("%v/%v", mode, always), func(t *testing.T) {
				testutil.Need(t, mode.have)
				s := newSender(t, SendQueueConfig{Mode: mode, Memory: 1000, ZCAlways: always})
				for i := range 10 {
					want := mode
					if i >= 8 && !always {
						want = SendVectored
					}
					equal(t, "mode", s.q.Mode(), want)
					s.put(100)
					s.finish()
				}
				s.arrives(1000)
				n := map[bool]uint64{false: 8, true: 10}[always]
				equal(t, "stats", s.q.Stats(), SendQueueStats{Requests: 10, Bytes: 1000, Pieces: 10, ZeroCopy: n, Notifications: n, Copied: n})
			})
		}
	}
}
