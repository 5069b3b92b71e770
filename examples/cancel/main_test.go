package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func write(t *testing.T, w *os.File, s string) {
	t.Helper()
	if _, err := w.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

func TestInputIsCopiedUntilItsEnd(t *testing.T) {
	r, w := pipe(t)
	write(t, w, "one\ntwo\n")
	w.Close()
	var out bytes.Buffer
	if err := echoInput(r, &out, time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "one\ntwo\n" {
		t.Errorf("copied %q", got)
	}
}

func TestPatienceEnds(t *testing.T) {
	r, w := pipe(t)
	write(t, w, "one\n")
	var out bytes.Buffer
	err := echoInput(r, &out, 20*time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the context", err)
	}
	if got := out.String(); got != "one\n" {
		t.Errorf("copied %q before", got)
	}
}

// Whoever cancels while data comes gets it: what one read does not return, the
// next one does.
func TestCancellingLosesNothing(t *testing.T) {
	ring, err := uring.New(uring.Config{Entries: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	r, w := pipe(t)
	const rounds = 2000
	go func() {
		for i := range rounds {
			_, _ = w.Write([]byte{byte(i)})
			if i%3 == 0 {
				time.Sleep(50 * time.Microsecond)
			}
		}
		w.Close()
	}()
	var got []byte
	cancelled := 0
	buf := make([]byte, 16)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(cancelled%100)*time.Microsecond)
		n, err := read(ctx, ring, uring.FD(r.Fd()), buf)
		cancel()
		got = append(got, buf[:n]...)
		if errors.Is(err, context.DeadlineExceeded) {
			cancelled++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if len(got) != rounds {
		t.Errorf("%d of %d bytes were read", len(got), rounds)
	}
	for i, b := range got {
		if b != byte(i) {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	if cancelled == 0 {
		t.Error("nothing was cancelled")
	}
	t.Logf("%d reads were cancelled", cancelled)
}
