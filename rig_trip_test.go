//go:build linux

package uring

import (
	"os"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
)

// A trip is a ring on the kernel; the tests of round trips do real things with
// it and look at what they changed.
type trip struct {
	testing.TB
	*Ring
}

func newTrip(tb testing.TB, c Config) *trip {
	tb.Helper()
	r, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &trip{tb, r}
}

// next takes an entry.
func (p *trip) next() SQE {
	p.Helper()
	s, err := p.NextSQE()
	if err != nil {
		p.Fatal(err)
	}
	return s
}

// wait returns the next completion; it submits what is queued.
func (p *trip) wait() CQE {
	p.Helper()
	c, err := p.Wait()
	if err != nil {
		p.Fatal(err)
	}
	return c
}

// complete makes a request and returns its completion.
func (p *trip) complete(prep func(SQE) error) CQE {
	p.Helper()
	if err := prep(p.next()); err != nil {
		p.Fatal(err)
	}
	return p.wait()
}

// do makes a request that must succeed and returns its result.
func (p *trip) do(prep func(SQE) error) int {
	p.Helper()
	c := p.complete(prep)
	if err := c.Err(); err != nil {
		p.Fatal(err)
	}
	return int(c.Res)
}

// want makes a request that must have this result.
func (p *trip) want(result int, prep func(SQE) error) {
	p.Helper()
	if got := p.do(prep); got != result {
		p.Fatalf("the result is %d, want %d", got, result)
	}
}

// fails makes a request that must fail with this error.
func (p *trip) fails(want syscall.Errno, prep func(SQE) error) {
	p.Helper()
	if err := p.complete(prep).Err(); err != want {
		p.Fatalf("got %v, want %v", err, want)
	}
}

func (p *trip) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// noErr fits a Prep method without an error.
func noErr(prep func(SQE)) func(SQE) error {
	return func(s SQE) error {
		prep(s)
		return nil
	}
}

// file returns an empty file and its path, until the test ends.
func (p *trip) file() (*os.File, string) {
	p.Helper()
	f, err := os.CreateTemp(p.TempDir(), "")
	p.must(err)
	p.Cleanup(func() { f.Close() })
	return f, f.Name()
}

// pipe returns the two ends of a pipe, until the test ends.
func (p *trip) pipe() (in, out FD) {
	p.Helper()
	fds, rc := cgo.Pipe()
	p.must(check("pipe", rc))
	p.Cleanup(func() { syscall.Close(fds[0]); syscall.Close(fds[1]) })
	return FD(fds[0]), FD(fds[1])
}

// direct puts a descriptor into the first slot of a table of 4.
func (p *trip) direct(fd FD) FD {
	p.Helper()
	p.must(p.RegisterFiles(4))
	p.must(p.UpdateFile(DirectSlot(0), int(fd)))
	return DirectSlot(0).FD()
}

func (p *trip) content(path string) string {
	p.Helper()
	b, err := os.ReadFile(path)
	p.must(err)
	return string(b)
}
