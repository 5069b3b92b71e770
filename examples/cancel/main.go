// Cancel reads lines from its input, and gives up when none comes for a while:
// how a request ends with a context, and nothing that it did is lost.
//
//	go run ./examples/cancel -patience 3s
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

func main() {
	patience := flag.Duration("patience", 5*time.Second, "how long to wait for input")
	flag.Parse()
	if err := echoInput(os.Stdin, os.Stdout, *patience); err != nil {
		log.Fatal(err)
	}
}

// echoInput copies what in has to out until its end.
func echoInput(in *os.File, out io.Writer, patience time.Duration) (err error) {
	ring, err := uring.New(uring.Config{Entries: 4})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ring.Close()) }()
	buf := make([]byte, 4096)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		n, err := read(ctx, ring, uring.FD(in.Fd()), buf)
		cancel()
		if err != nil || n == 0 {
			return err
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return err
		}
	}
}

const (
	reading = iota + 1
	cancelling
)

// read reads from what is not a file, such as a pipe, a terminal or a socket,
// until ctx is done. The goroutine waits in Go's network poller, without a
// thread. When read returns, the kernel does not use buf any more.
func read(ctx context.Context, ring *uring.Ring, fd uring.FD, buf []byte) (int, error) {
	sqe, err := ring.NextSQE()
	if err != nil {
		return 0, err
	}
	sqe.PrepRead(fd, buf, uring.CurrentOffset)
	sqe.UserData = reading
	_, err = ring.Await(ctx, 1)
	if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
		return cancel(ring, ended)
	}
	if err != nil {
		return 0, err
	}
	cqe, err := ring.Wait() // it is there
	if err != nil {
		return 0, err
	}
	return max(int(cqe.Res), 0), cqe.Err()
}

// cancel ends the read and waits until it is over. There are two completions:
// that of the cancellation, and that of the read, which says what became of it:
// data may have come just before.
func cancel(ring *uring.Ring, why error) (int, error) {
	sqe, err := ring.NextSQE()
	if err != nil {
		return 0, err
	}
	sqe.PrepCancel(reading, 0)
	sqe.UserData = cancelling
	var result uring.CQE
	for range 2 {
		cqe, err := ring.Wait()
		if err != nil {
			return 0, err
		}
		if cqe.UserData == reading {
			result = cqe
		}
	}
	if err := result.Err(); err == syscall.ECANCELED || err == syscall.EINTR {
		return 0, fmt.Errorf("no input: %w", why)
	}
	return max(int(result.Res), 0), result.Err()
}
