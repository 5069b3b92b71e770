//go:build linux

package uring

import (
	"errors"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

// A reader is a stage with a stream on it. Its bytes go to a queue, and what the
// queue sends a peer reads, unless the program takes them.
type reader struct {
	*sender
	st *RecvStream
}

const readerToken = Token(4<<56 | 7)

// newReader opens a reader with a queue on a pair of UNIX sockets.
func newReader(tb testing.TB, b BufRingConfig, c RecvStreamConfig) *reader {
	tb.Helper()
	r := readerWith(tb, b)
	c.To = r.q
	r.opens(c)
	return r
}

// readerWith is newReader without the stream.
func readerWith(tb testing.TB, b BufRingConfig) *reader {
	tb.Helper()
	testutil.Need(tb, HaveRecvMultishot)
	r := &reader{sender: newSender(tb, SendQueueConfig{Mode: SendVectored})}
	r.feeds(b)
	return r
}

// opens starts the stream on what the stage receives.
func (r *reader) opens(c RecvStreamConfig) {
	r.Helper()
	if c.Bundle {
		needBundles(r, r.br.incremental)
	}
	c.Token = readerToken
	var err error
	r.st, err = r.NewRecvStream(FD(r.in), r.br, c)
	r.must(err)
}

// turns turns the loop until done.
func (r *reader) turns(what string, done func() bool) {
	r.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			r.Fatalf("it does not come to this: %s; %+v, queued %d", what, *r.st, r.q.Queued())
		}
		r.looks(time.Second / 10)
	}
}

// looks turns the loop once.
func (r *reader) looks(most time.Duration) {
	r.Helper()
	_, err := r.SubmitAndWaitTimeout(1, most)
	if err != nil && !isTimeout(err) {
		r.Fatal(err)
	}
	for c := range r.Completions() {
		r.gives(c)
	}
	if r.q.Err() == nil {
		r.must(r.q.Flush())
	}
}

// gives hands a completion to whom it belongs.
func (r *reader) gives(c CQE) {
	r.Helper()
	switch {
	case r.st.Owns(c):
		_, err := r.st.Complete(c)
		r.must(err)
	case r.q.Owns(c):
		_, _ = r.q.Complete(c)
	default:
		r.Fatalf("completion of nothing: %+v", observe(c))
	}
}

// ends turns the loop until the stream has ended, because of want, and closes it.
func (r *reader) overWith(want error) {
	r.Helper()
	r.turns("the end", func() bool { return r.st.Err() != nil && !r.st.InFlight() })
	if !errors.Is(r.st.Err(), want) {
		r.Fatalf("it ended with %v, want %v", r.st.Err(), want)
	}
	r.must(r.st.Close())
	r.must(r.st.Close())
}
