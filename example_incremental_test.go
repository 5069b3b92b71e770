package uring_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

// The walk of docs/incremental-buffers.md.
func TestIncrementalWalkOfTheDocs(t *testing.T) {
	testutil.Need(t, uring.HaveIncremental)
	in, out := testutil.UnixPair(t, syscall.SOCK_STREAM)
	ring, err := uring.New(uring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	var log strings.Builder
	err = walk(ring, in, func(message int) error {
		_, err := syscall.Write(out, make([]byte, message))
		return err
	}, &log)
	if err != nil {
		t.Fatal(err)
	}
	_, page, _ := strings.Cut(readFile(t, "docs/incremental-buffers.md"), "```text\n")
	want, _, ok := strings.Cut(page, "```")
	if !ok {
		t.Fatal("docs/incremental-buffers.md does not say what is printed")
	}
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("another walk than in docs/incremental-buffers.md (-docs +kernel):\n%s", diff)
	}
}

func walk(ring *uring.Ring, fd int, send func(n int) error, log *strings.Builder) error {
	br, err := ring.NewBufRing(uring.BufRingConfig{
		Group: 1, Entries: 2, BufSize: 0x8000, Incremental: true,
	})
	if err != nil {
		return err
	}
	for _, message := range []int{0x1000, 0x2000, 0x5000, 0x1000} {
		if err := send(message); err != nil {
			return err
		}
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		if err := sqe.PrepRecvProvided(uring.FD(fd), br, 0, 0, 0); err != nil {
			return err
		}
		cqe, err := ring.Wait()
		if err != nil {
			return err
		}
		buffer, _ := cqe.BufferID()
		err = br.Consume(cqe, func(p []byte) error {
			fmt.Fprintf(log, "%#x bytes in buffer %d, more to come there: %v\n", len(p), buffer, cqe.BufferMore())
			return nil
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(log, "buffers used up: %d\n", br.Stats().Buffers)
	return nil
}
