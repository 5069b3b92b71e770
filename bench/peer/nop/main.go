// Command nop measures the cost of a request that does nothing, with this
// package. It does what c/nop.c does.
//
//	nop default|defer BATCH SECONDS
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/bench/internal/peer"
)

func main() {
	// Pinned to one processor Go works with one P. Its monitor then takes the P
	// away in system calls, and wakes up all the time to do so. Programs that
	// are not pinned are spared that.
	runtime.GOMAXPROCS(2)
	if len(os.Args) != 4 {
		log.Fatal("usage: nop default|defer BATCH SECONDS")
	}
	batch, err := strconv.Atoi(os.Args[2])
	peer.Must(err)
	seconds, err := strconv.ParseFloat(os.Args[3], 64)
	peer.Must(err)
	d := time.Duration(seconds * 1e9)
	measure := func(r *uring.Ring) error {
		run(r, batch, d/5) // warm-up
		return json.NewEncoder(os.Stdout).Encode(run(r, batch, d))
	}
	if os.Args[1] == "defer" {
		peer.Must(uring.Serve(uring.Config{}, measure))
		return
	}
	runtime.LockOSThread()
	r, err := uring.New(uring.Config{})
	peer.Must(err)
	peer.Must(measure(r))
	peer.Must(r.Close())
}

// run returns the nanoseconds for a request, by the clock and of processor time.
func run(r *uring.Ring, batch int, d time.Duration) map[string]float64 {
	cpu, start, turns := peer.CPUTime(), time.Now(), 0
	for time.Since(start) < d {
		for range 64 {
			turn(r, batch)
		}
		turns += 64
	}
	requests := float64(turns * batch)
	return map[string]float64{
		"ns":     float64(time.Since(start)) / requests,
		"cpu_ns": float64(peer.CPUTime()-cpu) / requests,
	}
}

func turn(r *uring.Ring, batch int) {
	for i := range batch {
		sqe, err := r.NextSQE()
		peer.Must(err)
		sqe.PrepNop()
		sqe.UserData = uint64(i)
	}
	_, err := r.SubmitAndWait(batch)
	peer.Must(err)
	n := 0
	for c := range r.Completions() {
		peer.Must(c.Err())
		n++
	}
	if n != batch {
		peer.Must(fmt.Errorf("%d completions for %d requests", n, batch))
	}
}
