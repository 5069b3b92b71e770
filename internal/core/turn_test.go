//go:build linux

package core

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/sharing"
)

// What the kernel does not take at first it gets a moment later, also while
// another request is in the kernel that does not end.
func TestRefusedEntriesAreSentAgain(t *testing.T) {
	submit := sharing.Submit
	var refuse atomic.Bool
	sharing.Submit = func(ring any, tell bool) (int, error) {
		if refuse.Swap(false) {
			return 0, syscall.EAGAIN
		}
		return submit(ring, tell)
	}
	t.Cleanup(func() { sharing.Submit = submit }) // when the core is closed
	core := open(t, Config{})
	r, _ := pipe(t)
	ctx, cancel := context.WithCancel(context.Background())
	reading := make(chan error)
	go func() {
		_, err := core.Do(ctx, func(s uring.SQE) error { s.PrepRead(fd(r), make([]byte, 1), 0); return nil })
		reading <- err
	}()
	for core.Stats().Running == 0 {
		time.Sleep(time.Millisecond)
	}
	refuse.Store(true)
	soon, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if _, err := core.Do(soon, nop); err != nil || refuse.Load() {
		t.Errorf("no-op: %v, refused: %v", err, !refuse.Load())
	}
	cancel()
	if err := <-reading; err != context.Canceled {
		t.Errorf("read: %v", err)
	}
}

func nop(s uring.SQE) error { s.PrepNop(); return nil }

// A function that ends the goroutine that leads neither stops the requests that
// come after its own, nor has the kernel do what it prepared.
func TestFillEndsTheGoroutine(t *testing.T) {
	core := open(t, Config{})
	r, w := pipe(t)
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 1)
	locked, unlock, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		_ = core.Setup(func(*uring.Ring) error { close(locked); <-unlock; return nil })
	}()
	<-locked
	go func() { // leads
		defer close(ended)
		_, err := core.Do(context.Background(), func(s uring.SQE) error {
			s.PrepRead(fd(r), p, 0)
			runtime.Goexit()
			return nil
		})
		if err != errEnded { // the collector's first turn was faster
			t.Errorf("Do: %v", err)
		}
	}()
	for range 3 {
		for core.newest.Load() == nil {
			runtime.Gosched()
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := core.Do(context.Background(), nop); err != nil {
				t.Error(err)
			}
		}()
	}
	close(unlock)
	<-ended
	wg.Wait()
	if p[0] != 0 {
		t.Errorf("the kernel has read %q", p)
	}
}

// If it is the collector that such a function ends, there is another one.
func TestFillEndsTheCollector(t *testing.T) {
	core := open(t, Config{})
	r, w := pipe(t)
	read := func() chan error {
		before, done := core.Stats().Running, make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := core.Do(ctx, func(s uring.SQE) error { s.PrepRead(fd(r), make([]byte, 1), 0); return nil })
			if ctx.Err() != nil {
				err = ctx.Err() // it was over only when somebody looked
			}
			done <- err
		}()
		wait(t, "a read is in the kernel", func() bool { return core.Stats().Running > before })
		return done
	}
	first, ended := read(), make(chan struct{})
	err := core.Setup(func(ring *uring.Ring) error {
		if _, err := w.WriteString("x"); err != nil {
			return err
		}
		wait(t, "the read is over", func() bool { return ring.Ready() > 0 })
		time.Sleep(5 * time.Millisecond) // the collector now waits to be the next, most likely
		go func() {
			defer close(ended)
			_, _ = core.Do(context.Background(), func(uring.SQE) error { runtime.Goexit(); return nil })
		}()
		wait(t, "it is on the list", func() bool { return core.newest.Load() != nil })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	<-ended
	second := read()
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	for _, done := range []chan error{first, second} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// An entry whose request is refused is given to the kernel as a no-op, and the
// ring counts it as one: it knows when nothing is in flight.
func TestRefusedRequestsAreCountedAsWhatTheyBecome(t *testing.T) {
	core := open(t, Config{})
	for range 10 {
		_, err := core.Do(context.Background(), func(s uring.SQE) error { return s.PrepNopBig(0, [2]uint64{}) })
		if err == nil {
			t.Fatal("a large completion on a ring of small ones is not refused")
		}
	}
	for range 10 {
		if _, err := core.Do(context.Background(), nop); err != nil {
			t.Fatal(err)
		}
	}
	left := 0
	inFlight := func(ring *uring.Ring) error { left = ring.InFlight(); return nil }
	wait(t, "all completions are taken", func() bool { return core.Setup(inFlight) == nil && left <= 0 })
	if left != 0 {
		t.Errorf("%d requests are in flight", left)
	}
}
