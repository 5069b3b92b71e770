package uring

import (
	"bytes"
	"io"
	"math/rand"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/internal/testutil"
)

// every mode that the kernel has, beside SendAuto
var sendModes = []SendMode{SendBundle, SendVectored, SendProvided, SendPlain, SendZC, SendZCGather}

func eachSendMode(t *testing.T, test func(t *testing.T, mode SendMode)) {
	for _, mode := range sendModes {
		t.Run(mode.String(), func(t *testing.T) {
			testutil.Need(t, mode.have)
			test(t, mode)
		})
	}
}

// randomBytes returns n bytes that do not repeat.
func randomBytes(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

// collect reads fd until its end in a goroutine of its own.
func collect(fd int) <-chan []byte {
	got := make(chan []byte, 1)
	go func() {
		f := os.NewFile(uintptr(fd), "peer")
		p, _ := io.ReadAll(f)
		f.Close()
		got <- p
	}()
	return got
}

// pump submits and handles completions of q until nothing waits and nothing is
// in flight.
func pump(r *Ring, q *SendQueue) error {
	for q.Queued() > 0 || q.InFlight() || q.Unnotified() > 0 {
		if err := q.Flush(); err != nil {
			return err
		}
		if _, err := r.SubmitAndWaitTimeout(1, 5*time.Second); err != nil {
			return err
		}
		for c := range r.Completions() {
			if _, err := q.Complete(c); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestSendQueueDeliversEveryByteInOrder(t *testing.T) {
	eachSendMode(t, func(t *testing.T, mode SendMode) {
		a, b := testutil.TCPPair(t)
		sent := randomBytes(1, 3<<20)
		b2 := dupFD(t, b)
		got := collect(b2)
		err := Serve(Config{}, func(r *Ring) error {
			q, err := r.NewSendQueue(FD(a), SendQueueConfig{Mode: mode, Memory: 100_000, Token: MakeToken(1, 0, 7), ZCAlways: true})
			if err != nil {
				return err
			}
			rnd := rand.New(rand.NewSource(2))
			for rest := sent; len(rest) > 0; {
				n, err := q.Write(rest[:min(rnd.Intn(3000)+1, len(rest))])
				rest = rest[n:]
				if err == ErrQueueFull {
					err = pump(r, q)
				}
				if err != nil {
					return err
				}
			}
			if err := pump(r, q); err != nil {
				return err
			}
			return q.Close()
		})
		if err != nil {
			t.Error(err)
		}
		shutdown(t, a)
		if p := <-got; !bytes.Equal(p, sent) {
			t.Errorf("peer got %d bytes, want %d, or others", len(p), len(sent))
		}
	})
}

func dupFD(t testing.TB, fd int) int {
	t.Helper()
	d, err := syscall.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func shutdown(t *testing.T, fd int) {
	t.Helper()
	if err := syscall.Shutdown(fd, syscall.SHUT_WR); err != nil {
		t.Error(err)
	}
}
