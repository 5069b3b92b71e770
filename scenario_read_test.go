//go:build linux

package uring

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
)

// Completions without bytes may cost a buffer: ends of files and streams,
// errors, cancellations. None is lost, and none is given to the kernel twice.

// newPipeStage opens a stage on a pipe.
func newPipeStage(t *testing.T, c BufRingConfig) *stage {
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	var s *stage
	t.Cleanup(func() {
		syscall.Close(fds[0])
		if s == nil { // skipped
			syscall.Close(fds[1])
		}
	})
	s = stageOn(t, Config{}, c, fds[0], fds[1])
	t.Cleanup(s.closeOut)
	return s
}

func (s *stage) closeOut() {
	if s.out >= 0 {
		syscall.Close(s.out)
		s.out = -1
	}
}

// read reads once and returns the completion.
func (s *stage) readProvided(n int) CQE {
	s.Helper()
	s.queue(0, func(q SQE) { s.must(q.PrepReadProvided(FD(s.in), s.br, n)) })
	return s.next()
}

// eof hands over a completion at the end of a file that names a buffer.
func (s *stage) eof(c CQE, bid int) {
	s.Helper()
	got := observe(c)
	got.Flags = strings.ReplaceAll(got.Flags, "b", "") // older kernels leave it out
	equal(s, "completion", got, completion{0, bid, "B"})
	s.failed(c, nil)
}

func TestScenario10_EndOfAPipe(t *testing.T) {
	t.Run("incremental: takes nothing", func(t *testing.T) {
		s := newPipeStage(t, BufRingConfig{Entries: 4, BufSize: 16, Incremental: true})
		s.send(5)
		c := s.readProvided(0)
		s.is(c, 5, 0, "Bb")
		s.take(c, place{0, 0, 5})
		s.closeOut()
		for range 2 {
			s.eof(s.readProvided(0), 0)
			s.head(0)
		}
		s.settled()
		equal(t, "wasted", s.br.Stats().Wasted, 0)

		// The receive point is where the data ended.
		s.in, s.out = streamPair(t)
		s.send(3)
		c = s.recv(0, 0, 0)
		s.is(c, 3, 0, "Bb")
		s.take(c, place{0, 5, 3})
	})
	t.Run("classic: takes a buffer", func(t *testing.T) {
		s := newPipeStage(t, BufRingConfig{Entries: 4, BufSize: 16})
		s.send(5)
		c := s.readProvided(0)
		s.is(c, 5, 0, "B")
		s.take(c, place{0, 0, 5})
		s.closeOut()
		for bid := 1; bid <= 9; bid++ { // more often than there are buffers
			c := s.readProvided(0)
			s.is(c, 0, bid%4, "B")
			s.failed(c, nil)
			s.head(1 + bid)
		}
		s.settled()
		s.available(4)
	})
}

func TestScenario11_EndOfAStreamInAWorker(t *testing.T) {
	t.Run("classic", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
		shutdown(t, s.out)
		for i := range 5 {
			s.async(s.in)
			c := s.next()
			s.is(c, 0, i%2, "B")
			s.failed(c, nil)
			s.head(i + 1)
			s.settled()
		}
		s.none()
		s.available(2)
		equal(t, "wasted", s.br.Stats().Wasted, 5*16)
	})
	// What the package refuses: the rest of the buffer is gone with the end.
	t.Run("incremental", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16, Incremental: true})
		s.send(10)
		held := s.hold(s.recv(0, 0, 0), place{0, 0, 10})
		shutdown(t, s.out)
		s.rawAsync(0)
		c := s.next()
		s.is(c, 0, 0, "B")
		s.failed(c, nil)
		s.head(1)

		// Ten bytes of it are lent: it must not go back before they are.
		s.submit()
		equal(t, "in the kernel", s.br.Stats().InKernel, 1)
		equal(t, "lent bytes", string(held[0].Bytes), string(stream(0, 10)))
		s.release(held...)
		s.settled()
		s.available(2)
	})
}

// isKeptAtOnce checks a completion for a buffer that the kernel has taken a part
// of before it had data, and keeps. Kernels with a bug of that kind do not say
// that they keep it.
func (s *stage) isKeptAtOnce(c CQE, res int) {
	s.Helper()
	flags := "Bb"
	for _, b := range []*bug{bugEOFBufMore, bugErrorBuffer} {
		wrong, err := b.check()
		s.must(err)
		if wrong != "" {
			flags = "B"
		}
	}
	s.is(c, res, 0, flags)
}

// rawAsync starts a receive in a worker thread whatever the package says.
func (s *stage) rawAsync(n int) {
	s.Helper()
	s.rawAsyncOn(s.in, n)
}

func (s *stage) rawAsyncOn(fd, n int) {
	s.Helper()
	s.singleReceives()
	q := s.queue(uint64(fd), func(q SQE) { s.must(q.PrepRecvProvided(FD(fd), s.br, 0, 0, 0)) })
	q.Len = uint32(n)
	q.SQE.Flags |= cgo.SQEAsync
	s.submit()
}

func TestScenario12_RegularFile(t *testing.T) {
	t.Run("refused with an incremental ring", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 64, Incremental: true})
		s.openFile()
		s.refuses(func(q SQE) error { return q.PrepReadProvided(FD(s.in), s.br, 16) },
			"uring: an incremental buffer ring cannot account for reads of what cannot be polled, such as files: use a ring without Incremental")
		s.refuses(func(q SQE) error { return q.PrepReadProvided(DirectSlot(0).FD(), s.br, 16) },
			"uring: a direct descriptor may be a file, whose reads an incremental buffer ring cannot account for: use PrepRecvProvided for a socket, or a ring without Incremental")
	})
	t.Run("because the kernel goes on by what was asked for", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 64, Incremental: true})
		s.openFile()
		for i := range 3 {
			s.queue(0, func(q SQE) {
				q.prep(cgo.OpRead, FD(s.in), 0, 16, 0)
				q.selectBuffer(s.br, 0, 0)
			})
			s.isKeptAtOnce(s.next(), len(twelveBytes))
			equal(t, "data", string(s.br.buffer(0)[16*i:][:len(twelveBytes)]), twelveBytes)
		}
	})
	t.Run("classic", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 8})
		f := s.openFile()
		if _, err := f.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		var got []string
		for i, n := range []int{8, 4, 0, 0, 0} {
			c := s.readProvided(0)
			s.is(c, n, i%2, "B")
			if err := s.br.Consume(c, func(p []byte) error { got = append(got, string(p)); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		equal(t, "read", got, []string{twelveBytes[:8], twelveBytes[8:]})
		s.settled()
		s.available(2)
	})
	t.Run("classic, of a file that is open for writing only", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 8})
		f := s.openFile()
		w, err := os.OpenFile(f.Name(), os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		s.in = int(w.Fd())
		for range 5 {
			c := s.readProvided(0)
			equal(t, "result", c.Res, -int32(syscall.EBADF))
			s.failed(c, syscall.EBADF)
		}
		s.settled()
		s.available(2)
	})
}

// twelveBytes are in the file that openFile makes the stage's input.
const twelveBytes = "twelve bytes"

func (s *stage) openFile() *os.File {
	s.Helper()
	f, _ := s.file()
	_, err := f.WriteString(twelveBytes)
	s.must(err)
	s.in = int(f.Fd())
	return f
}

func TestScenario13_CancelledInAWorker(t *testing.T) {
	t.Run("refused with an incremental ring", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 1024, Incremental: true})
		s.singleReceives()
		s.refuses(func(q SQE) error {
			if err := q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0); err != nil {
				return err
			}
			return q.SetFlags(Async)
		}, errLateIncremental.Error())
		s.refuses(func(q SQE) error {
			if err := q.SetFlags(Async); err != nil {
				return err
			}
			return q.PrepRecvProvided(FD(s.in), s.br, 0, 0, 0)
		}, errLateIncremental.Error())
	})
	t.Run("because the kernel goes on by what was asked for", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 1024, Incremental: true})
		s.rawAsync(100)
		s.waitEntry(0, place{0, 100, 924})
		left := s.cancel(uint64(s.in))
		equal(t, "completions", len(left), 1)
		s.isKeptAtOnce(left[0], -int(syscall.ECANCELED))
		s.head(0)
		s.entry(0, place{0, 100, 924})
	})
	t.Run("classic: the buffer comes back with the error", func(t *testing.T) {
		s := newStage(t, BufRingConfig{Entries: 2, BufSize: 1024})
		for i := range 5 {
			s.async(s.in)
			s.waitHead(i + 1)
			left := s.cancel(uint64(s.in))
			equal(t, "completions", len(left), 1)
			s.is(left[0], -int(syscall.ECANCELED), i%2, "B")
			s.failed(left[0], syscall.ECANCELED)
			s.settled()
		}
		s.available(2)
	})
}
