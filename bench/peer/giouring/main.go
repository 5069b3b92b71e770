// Command giouring measures the cost of a request that does nothing, with
// package giouring. It does what c/nop.c does.
//
//	giouring default|defer BATCH SECONDS
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/pawelgaczynski/giouring"
	"github.com/uring-go/uring/bench/internal/peer"
)

func main() {
	// Pinned to one processor Go works with one P. Its monitor then takes the P
	// away in system calls, and wakes up all the time to do so. Programs that
	// are not pinned are spared that.
	runtime.GOMAXPROCS(2)
	if len(os.Args) != 4 {
		log.Fatal("usage: giouring default|defer BATCH SECONDS")
	}
	batch, err := strconv.Atoi(os.Args[2])
	peer.Must(err)
	seconds, err := strconv.ParseFloat(os.Args[3], 64)
	peer.Must(err)
	d := time.Duration(seconds * 1e9)
	flags := giouring.SetupSubmitAll
	if os.Args[1] == "defer" {
		flags |= giouring.SetupSingleIssuer | giouring.SetupDeferTaskrun
	}
	runtime.LockOSThread()
	r := giouring.NewRing()
	peer.Must(r.QueueInit(256, flags))
	run(r, batch, d/5) // warm-up
	peer.Must(json.NewEncoder(os.Stdout).Encode(run(r, batch, d)))
	r.QueueExit()
}

// run returns the nanoseconds for a request, by the clock and of processor time.
func run(r *giouring.Ring, batch int, d time.Duration) map[string]float64 {
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

func turn(r *giouring.Ring, batch int) {
	for i := range batch {
		sqe := r.GetSQE()
		sqe.PrepareNop()
		sqe.SetData64(uint64(i))
	}
	submit(r, batch)
	n := 0
	r.ForEachCQE(func(c *giouring.CompletionQueueEvent) {
		if c.Res < 0 {
			peer.Must(syscall.Errno(-c.Res))
		}
		n++
	})
	r.CQAdvance(uint32(n))
	if n != batch {
		peer.Must(fmt.Errorf("%d completions for %d requests", n, batch))
	}
}

// submit waits again after a signal, which the package leaves to its users.
func submit(r *giouring.Ring, batch int) {
	for {
		_, err := r.SubmitAndWait(uint32(batch))
		if err != nil && err != syscall.EINTR {
			log.Fatal(err)
		}
		if r.CQReady() >= uint32(batch) {
			return
		}
	}
}
