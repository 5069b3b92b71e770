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
	sqe, _ := ring.NextSQE()
	sqe.PrepRead(uring.FD(os.Stdin.Fd()), buf, uring.CurrentOffset)
	cqe, err := ring.Wait()
	fmt.Printf("%s%v %v\n", buf[:max(cqe.Res, 0)], err, cqe.Err())
}
