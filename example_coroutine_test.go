//go:build linux

package uring_test

import (
	"fmt"
	"iter"
	"log"
	"syscall"

	"github.com/uring-go/uring"
)

// shout answers a connection in capital letters until its end. It reads as if
// it waited for each request: await queues one, and returns its completion.
func shout(conn uring.FD, await func(prep func(uring.SQE)) uring.CQE) error {
	buf := make([]byte, 4096)
	for {
		got := await(func(s uring.SQE) { s.PrepRecv(conn, buf, 0) })
		if got.Err() != nil || got.Res == 0 {
			return got.Err()
		}
		for i := range buf[:got.Res] {
			buf[i] &^= 'a' - 'A'
		}
		sent := await(func(s uring.SQE) { s.PrepSend(conn, buf[:got.Res], syscall.MSG_WAITALL) })
		if sent.Err() != nil {
			return sent.Err()
		}
	}
}

// Code of a connection that reads as if it waited, without a goroutine of its
// own: it is a coroutine of the ring's goroutine. To wait is to switch to the
// ring's loop, which Go's scheduler has no part in, and so costs little more
// than a call. As everything in that loop, it must wait for nothing else.
func ExampleServe_coroutines() {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(pair[1])
	go func() { // the client
		defer syscall.Close(pair[0])
		for _, word := range []string{"hello", "world"} {
			got := make([]byte, len(word))
			if _, err := syscall.Write(pair[0], []byte(word)); err != nil {
				log.Fatal(err)
			}
			if _, err := syscall.Read(pair[0], got); err != nil {
				log.Fatal(err)
			}
			fmt.Printf("client got %s\n", got)
		}
	}()

	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		var completion uring.CQE // a server has these for each connection
		var result error
		next, stop := iter.Pull(func(yield func(struct{}) bool) {
			result = shout(uring.FD(pair[1]), func(prep func(uring.SQE)) uring.CQE {
				sqe, err := ring.NextSQE()
				if err != nil {
					log.Fatal(err) // a server makes room first: Ring.MakeRoom
				}
				prep(sqe)
				if !yield(struct{}{}) { // to the loop, until it calls next
					return uring.CQE{Res: -int32(syscall.ECANCELED)} // or stop
				}
				return completion
			})
		})
		defer stop()
		defer ring.Close() // before that: what shout has must last until its request is over
		next()             // until it waits for the first time
		for {
			if _, err := ring.SubmitAndWait(1); err != nil {
				return err
			}
			for completion = range ring.Completions() {
				if _, waits := next(); !waits {
					return result
				}
			}
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// client got HELLO
	// client got WORLD
}
