package main

import (
	"fmt"
	"log"
	"os"

	"github.com/uring-go/uring"
)

func main() {
	ring, err := uring.New(uring.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	buf := make([]byte, 256)
	sqe, err := ring.NextSQE()
	if err != nil {
		log.Fatal(err)
	}
	sqe.PrepRead(uring.FD(os.Stdin.Fd()), buf, uring.CurrentOffset)
	cqe, err := ring.Wait() // submits, too
	if err == nil {
		err = cqe.Err()
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", buf[:cqe.Res]) // buf is used until here
}
