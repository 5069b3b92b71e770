package uring_test

import (
	"fmt"
	"log"
	"os"

	"github.com/uring-go/uring"
)

// Several reads are on their way at once. The table says which of them is
// complete, and holds its memory until then.
func ExampleInFlight() {
	f, err := os.Open("LICENSE")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	const reading = 1 // the kind of requests
	type block struct {
		name string
		buf  []byte
	}
	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		reads := uring.NewInFlight[block](ring, reading)
		for off, name := range []string{"first", "second", "third"} {
			b := block{name, make([]byte, 4)}
			sqe, err := reads.Request(b)
			if err != nil {
				return err
			}
			sqe.PrepRead(uring.FD(f.Fd()), b.buf, uint64(4*off))
		}
		for reads.Len() > 0 {
			if _, err := ring.SubmitAndWait(1); err != nil {
				return err
			}
			for cqe := range ring.Completions() {
				b, ok := reads.Complete(cqe)
				if !ok {
					return fmt.Errorf("unknown: %v", cqe)
				}
				fmt.Printf("%s: %q %v\n", b.name, b.buf[:max(cqe.Res, 0)], cqe.Err())
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Unordered output:
	// first: "MIT " <nil>
	// second: "Lice" <nil>
	// third: "nse\n" <nil>
}
