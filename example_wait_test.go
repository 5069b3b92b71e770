//go:build linux

package uring_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// A timeout completes with ETIME.
func ExampleSQE_PrepTimeout() {
	err := uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		sqe.PrepTimeout(time.Millisecond, 0, 0)
		cqe, err := ring.Wait()
		if err != nil {
			return err
		}
		fmt.Println(cqe.Err() == syscall.ETIME)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: true
}

// A request gets a time limit by a timeout that is linked to it: nobody sends
// here, and so the receive is cancelled.
func ExampleSQE_PrepLinkTimeout() {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])

	const receiving, limit = 1, 2
	buf := make([]byte, 100)
	defer runtime.KeepAlive(buf) // Serve closes the ring before
	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		recv, err := ring.NextSQE()
		if err != nil {
			return err
		}
		recv.PrepRecv(uring.FD(pair[0]), buf, 0)
		recv.UserData = receiving
		if err := recv.SetFlags(uring.Link); err != nil {
			return err
		}
		timeout, err := ring.NextSQE()
		if err != nil {
			return err
		}
		timeout.PrepLinkTimeout(10*time.Millisecond, 0)
		timeout.UserData = limit

		if _, err := ring.SubmitAndWait(2); err != nil {
			return err
		}
		for cqe := range ring.Completions() {
			switch cqe.UserData {
			case receiving: // had it succeeded, the timeout were cancelled
				fmt.Println("receive:", cqe.Err() == syscall.ECANCELED)
			case limit:
				fmt.Println("timeout:", cqe.Err() == syscall.ETIME)
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Unordered output:
	// receive: true
	// timeout: true
}

// Cancelling names a request by its user data. It completes all the same, and
// its memory is in use until then.
func ExampleSQE_PrepCancel() {
	const waiting, cancelling = 1, 2
	err := uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		sqe.PrepTimeout(time.Hour, 0, 0)
		sqe.UserData = waiting
		if sqe, err = ring.NextSQE(); err != nil {
			return err
		}
		sqe.PrepCancel(waiting, 0)
		sqe.UserData = cancelling

		if _, err := ring.SubmitAndWait(2); err != nil {
			return err
		}
		for cqe := range ring.Completions() {
			switch cqe.UserData {
			case waiting:
				fmt.Println("timeout:", cqe.Err())
			case cancelling: // ENOENT had it been too late
				fmt.Println("cancel:", cqe.Err())
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Unordered output:
	// timeout: operation canceled
	// cancel: <nil>
}

// A futex wakes a ring by a word in memory, and wakes nobody's thread but the
// one that waits. Before Linux 6.7 a message does it.
func ExampleSQE_PrepFutexWait() {
	ops, err := uring.ProbeOps()
	if err != nil {
		log.Fatal(err)
	}
	futex := ops.Supports(uring.OpFutexWait)
	waiter, err := uring.New(uring.Config{})
	if err != nil {
		log.Fatal(err)
	}
	word := new(uint32)
	defer func() {
		waiter.Close()
		runtime.KeepAlive(word) // in use until then
	}()
	if futex {
		sqe, err := waiter.NextSQE()
		if err != nil {
			log.Fatal(err)
		}
		sqe.PrepFutexWait(word, 0, uring.FutexMatchAny, uring.FutexPrivate)
		if _, err := waiter.Submit(); err != nil {
			log.Fatal(err)
		}
	}

	err = uring.Serve(uring.Config{}, func(waker *uring.Ring) error {
		sqe, err := waker.NextSQE()
		if err != nil {
			return err
		}
		if futex {
			atomic.StoreUint32(word, 1) // who waits from now on sees it
			sqe.PrepFutexWake(word, 1, uring.FutexMatchAny, uring.FutexPrivate)
		} else {
			sqe.PrepMsgRing(waiter, 0, 0)
		}
		cqe, err := waker.Wait()
		if err != nil {
			return err
		}
		return cqe.Err()
	})
	if err != nil {
		log.Fatal(err)
	}
	cqe, err := waiter.Wait()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("woken:", cqe.Err())
	// Output: woken: <nil>
}

// Await ends with its context. The request goes on until it is cancelled; then
// there are two completions.
func ExampleRing_Await() {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	buf := make([]byte, 100)
	defer runtime.KeepAlive(buf) // after Close, which is deferred later
	ring, err := uring.New(uring.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()

	const receiving, cancelling = 1, 2
	sqe, err := ring.NextSQE()
	if err != nil {
		log.Fatal(err)
	}
	sqe.PrepRecv(uring.FD(pair[0]), buf, 0) // nobody sends
	sqe.UserData = receiving

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err = ring.Await(ctx, 1)
	fmt.Println("await:", errors.Is(err, context.DeadlineExceeded))

	sqe, err = ring.NextSQE()
	if err != nil {
		log.Fatal(err)
	}
	sqe.PrepCancel(receiving, 0)
	sqe.UserData = cancelling
	if _, err := ring.Await(context.Background(), 2); err != nil {
		log.Fatal(err)
	}
	for cqe := range ring.Completions() {
		switch cqe.UserData {
		case receiving:
			fmt.Println("receive:", cqe.Err())
		case cancelling:
			fmt.Println("cancel:", cqe.Err())
		}
	}
	// Unordered output:
	// await: true
	// receive: operation canceled
	// cancel: <nil>
}

// Poll tells when a descriptor is ready.
func ExampleSQE_PrepPollAdd() {
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(pipe[0])
	defer syscall.Close(pipe[1])

	const pollIn = 1 // POLLIN of poll(2)
	err := uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		sqe, err := ring.NextSQE()
		if err != nil {
			return err
		}
		sqe.PrepPollAdd(uring.FD(pipe[0]), pollIn)
		if _, err := ring.Submit(); err != nil {
			return err
		}
		if _, err := syscall.Write(pipe[1], []byte("x")); err != nil {
			return err
		}
		cqe, err := ring.Wait()
		if err != nil {
			return err
		}
		fmt.Println("readable:", cqe.Res&pollIn != 0)
		return cqe.Err()
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: readable: true
}

// A ring can post completions on another one, as a message between the
// goroutines that own them.
func ExampleSQE_PrepMsgRing() {
	receiver, err := uring.New(uring.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer receiver.Close()
	sender, err := uring.New(uring.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer sender.Close()

	sqe, err := sender.NextSQE()
	if err != nil {
		log.Fatal(err)
	}
	sqe.PrepMsgRing(receiver, 7, 42)
	sent, err := sender.Wait()
	if err != nil {
		log.Fatal(err)
	}
	got, err := receiver.Wait()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sent:", sent.Err())
	fmt.Println("received:", got.UserData, got.Res)
	// Output:
	// sent: <nil>
	// received: 7 42
}

// What the kernel can do is asked before it is needed.
func ExampleFeatures() {
	for _, f := range uring.Features() {
		switch {
		case f.Err == nil: // it is there
		case errors.Is(f.Err, uring.ErrNotSupported): // f.Advice says what to do instead
		default: // the kernel could not be asked, and f.Err says why
		}
		if f.Name == "zero-copy send" {
			fmt.Printf("%s: Linux %s\n", f.Name, f.Since)
		}
	}
	// Output: zero-copy send: Linux 6.0
}
