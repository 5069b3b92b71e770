// Command first reads its input through a ring, once.
package main

import (
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/uring-go/uring"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() (err error) {
	ring, err := uring.New(uring.Config{})
	if err != nil {
		return err // it says what is in the way, and what to do
	}
	defer func() { err = errors.Join(err, ring.Close()) }()

	// The kernel writes into buf: the table holds it until the request is over.
	reads := uring.NewInFlight[[]byte](ring, 1)
	buf := make([]byte, 256)
	sqe, err := reads.Request(buf)
	if err != nil {
		return err
	}
	sqe.PrepRead(uring.FD(os.Stdin.Fd()), buf, uring.CurrentOffset)

	cqe, err := ring.Wait() // submits, and waits for one completion
	if err != nil {
		return err
	}
	buf, _ = reads.Complete(cqe)
	if err := cqe.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	fmt.Printf("read %d bytes: %q\n", cqe.Res, buf[:cqe.Res])
	return nil
}
