package uring_test

import (
	"fmt"
	"log"
	"syscall"

	"github.com/uring-go/uring"
)

// Two 32 KiB buffers take in what comes, each receive only as much as it needs.
func ExampleBufRing_Consume() {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(pair[0])
	go func() {
		for _, s := range []string{"first ", "second ", "third"} {
			_, _ = syscall.Write(pair[1], []byte(s))
		}
		syscall.Close(pair[1])
	}()

	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		br, err := ring.NewBufRing(uring.BufRingConfig{Group: 1, Entries: 2, BufSize: 32 << 10,
			Incremental: uring.HaveIncremental() == nil}) // Linux 6.12
		if err != nil {
			return err
		}
		for {
			sqe, err := ring.NextSQE()
			if err != nil {
				return err
			}
			if err := sqe.PrepRecvProvided(uring.FD(pair[0]), br, 0, 0, 0); err != nil {
				return err
			}
			if _, err := ring.SubmitAndWait(1); err != nil {
				return err
			}
			for cqe := range ring.Completions() {
				err := br.Consume(cqe, func(p []byte) error {
					fmt.Printf("%s", p)
					return nil
				})
				if err != nil || cqe.Res == 0 {
					return err // nil at the end of the stream
				}
			}
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: first second third
}

// A send queue sends its bytes in order, with as few requests as the kernel
// allows, and sends the rest of a short send by itself.
func ExampleSendQueue() {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])

	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		q, err := ring.NewSendQueue(uring.FD(pair[0]), uring.SendQueueConfig{
			Token:  uring.MakeToken(1, 0, 0),
			Memory: 64 << 10,
		})
		if err != nil {
			return err
		}
		for _, s := range []string{"several ", "writes, ", "one request"} {
			if _, err := q.Write([]byte(s)); err != nil {
				return err
			}
		}
		for q.Queued() > 0 {
			if err := q.Flush(); err != nil {
				return err
			}
			if _, err := ring.SubmitAndWait(1); err != nil {
				return err
			}
			for cqe := range ring.Completions() {
				if _, err := q.Complete(cqe); err != nil {
					return err
				}
			}
		}
		fmt.Println(q.Stats().Requests, "request")
		return q.Close()
	})
	if err != nil {
		log.Fatal(err)
	}
	got := make([]byte, 64)
	n, _ := syscall.Read(pair[1], got)
	fmt.Printf("%s\n", got[:n])
	// Output:
	// 1 request
	// several writes, one request
}
