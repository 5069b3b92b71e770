//go:build linux

package shared_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
	"github.com/uring-go/uring/shared"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func Example() {
	ring, err := shared.New(shared.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	f, err := os.Open("/proc/self/comm")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	var wg sync.WaitGroup
	for range 100 { // goroutines, or HTTP handlers
		wg.Add(1)
		go func() {
			defer wg.Done()
			p := make([]byte, 64)
			cqe, err := ring.Do(context.Background(), func(s uring.SQE) error {
				s.PrepRead(uring.FD(f.Fd()), p, 0)
				return nil
			})
			if err != nil || cqe.Res == 0 {
				log.Fatal(err)
			}
		}()
	}
	wg.Wait()
	fmt.Println("done")
	// Output: done
}

// Goroutines talk to each other through sockets of the kernel's, each request
// its own.
func TestConversation(t *testing.T) {
	ring, err := shared.New(shared.Config{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 20 {
		a, b := testutil.UnixPair(t, syscall.SOCK_STREAM)
		wg.Add(2)
		talk := func(fd int, first bool) {
			defer wg.Done()
			p := make([]byte, 8)
			for i := range 200 {
				if first || i > 0 {
					if _, err := ring.Do(context.Background(), func(s uring.SQE) error { s.PrepSend(uring.FD(fd), p, 0); return nil }); err != nil {
						t.Error(err)
						return
					}
				}
				cqe, err := ring.Do(context.Background(), func(s uring.SQE) error { s.PrepRecv(uring.FD(fd), p, syscall.MSG_WAITALL); return nil })
				if err != nil || cqe.Res != 8 {
					t.Error(cqe, err)
					return
				}
			}
			if !first {
				ring.Do(context.Background(), func(s uring.SQE) error { s.PrepSend(uring.FD(fd), p, 0); return nil })
			}
		}
		go talk(a, true)
		go talk(b, false)
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	a, _ := testutil.UnixPair(t, syscall.SOCK_STREAM)
	if _, err := ring.Do(ctx, func(s uring.SQE) error { s.PrepRecv(uring.FD(a), make([]byte, 1), 0); return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a receive that waits: %v", err)
	}
	if s := ring.Stats(); s.Running != 0 || s.Completed < 20*800 {
		t.Errorf("%+v", s)
	}
	if err := ring.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ring.Do(context.Background(), func(s uring.SQE) error { s.PrepNop(); return nil }); err != uring.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

func TestRingsThatAreNotForAnyGoroutine(t *testing.T) {
	for _, flag := range []uring.SetupFlags{uring.SetupSingleIssuer, uring.SetupSingleIssuer | uring.SetupDeferTaskrun, uring.SetupIOPoll, uring.SetupRDisabled, uring.SetupCQE32} {
		if r, err := shared.New(shared.Config{Ring: uring.Config{Flags: flag}}); err == nil {
			t.Errorf("%v is accepted", flag)
			r.Close()
		}
	}
}
