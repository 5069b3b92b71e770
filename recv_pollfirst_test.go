//go:build linux

package uring

import (
	"strings"
	"syscall"
	"testing"
)

// A multishot receive that starts with PollFirst when data and the end of the
// stream are there already gets the data and, on kernels seen so far, never the
// end. It is refused; without PollFirst the end comes.
func TestMultishotRefusesPollFirstWhichCanMissTheEnd(t *testing.T) {
	s := newStage(t, BufRingConfig{Entries: 2, BufSize: 16})
	q, err := s.ring.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	err = q.PrepRecvMultishot(FD(s.in), s.br, PollFirst)
	if err == nil || !strings.Contains(err.Error(), "miss the end") {
		t.Errorf("PollFirst: %v", err)
	}

	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fds[0])
	s.write(fds[1], []byte("last words"))
	syscall.Close(fds[1])
	s.armOn(fds[0], 0)
	c := s.next()
	s.is(c, 10, 0, "MB")
	got := ""
	if err := s.br.Consume(c, func(p []byte) error { got += string(p); return nil }); err != nil || got != "last words" {
		t.Errorf("received %q, %v", got, err)
	}
	s.is(s.next(), 0, -1, "")
}
