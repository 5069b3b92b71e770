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
	"runtime"
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
	buf := make([]byte, 4096)
	defer func() {
		err = errors.Join(err, ring.Close())
		runtime.KeepAlive(buf) // after an error a request may use it until the ring is closed
	}()
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

// The kinds of requests, of which there is one at a time.
const (
	reading = iota + 1
	cancelling
)

var readToken = uring.MakeToken(reading, 0, 0)

// read reads from what is not a file, such as a pipe, a terminal or a socket,
// until ctx is done. The goroutine waits in Go's network poller, without a
// thread. When read returns, the kernel does not use buf any more, unless the
// ring itself failed.
func read(ctx context.Context, ring *uring.Ring, fd uring.FD, buf []byte) (int, error) {
	sqe, err := ring.Request(readToken)
	if err != nil {
		return 0, err
	}
	sqe.PrepRead(fd, buf, uring.CurrentOffset)
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
	sqe, err := ring.Request(uring.MakeToken(cancelling, 0, 0))
	if err != nil {
		return 0, err
	}
	sqe.PrepCancel(uint64(readToken), 0)
	var result uring.CQE
	for range 2 {
		cqe, err := ring.Wait()
		if err != nil {
			return 0, err
		}
		if cqe.Token() == readToken {
			result = cqe
		}
	}
	if err := result.Err(); err == syscall.ECANCELED || err == syscall.EINTR {
		return 0, fmt.Errorf("no input: %w", why)
	}
	return max(int(result.Res), 0), result.Err()
}
