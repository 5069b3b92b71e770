// Command files is what the benchmark of files runs: goroutines that work on
// files, through package os, package file, or another. It prints a line of JSON.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"log"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uring-go/uring/bench/internal/peer"
)

// A result is what one run gave.
type result struct {
	Ops     int64   `json:"ops"`
	Rate    float64 `json:"rate"`    // operations a second
	CPU     float64 `json:"cpu_us"`  // microseconds of processor time for an operation
	Threads int     `json:"threads"` // the most at once, those of the kernel's included
	P50     float64 `json:"p50_us"`  // latency in microseconds
	P99     float64 `json:"p99_us"`
}

// An options says what to do.
type options struct {
	via   string
	work  string
	n     int
	time  time.Duration
	path  string
	size  int
	hot   int
	batch int
	depth int
	busy  int
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("files: ")
	var o options
	flag.StringVar(&o.via, "via", "file", "file, noring, os, sem: os under a semaphore of 64, or iouring-go")
	flag.StringVar(&o.work, "work", "cached", "cached, cold, direct, batch, write, writesync, manysync, stat, or open")
	flag.IntVar(&o.n, "n", 1, "goroutines")
	flag.DurationVar(&o.time, "time", time.Second, "for how long")
	flag.StringVar(&o.path, "path", "", "file to work on, or folder")
	flag.IntVar(&o.size, "size", 4096, "bytes of an operation")
	flag.IntVar(&o.hot, "hot", 100, "percent of the reads of work cached whose data is in the page cache")
	flag.IntVar(&o.batch, "batch", 64, "reads of a call with work batch")
	flag.IntVar(&o.depth, "depth", 0, "of the engine")
	flag.IntVar(&o.busy, "busy", 0, "goroutines that compute beside those that work on files")
	flag.Parse()
	w, err := newWork(o)
	peer.Must(err)
	defer w.close()
	peer.Must(json.NewEncoder(os.Stdout).Encode(measure(o, w)))
}

// measure has o.n goroutines work for the time, and a bit before to warm up.
func measure(o options, w *work) result {
	var stop, counting atomic.Bool
	var count atomic.Int64
	latencies := make([][]int32, o.n)
	gate := make(chan struct{})
	var wg sync.WaitGroup
	for i := range o.n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			g := w.goroutine(i)
			<-gate
			local := int64(0)
			for k := 0; !stop.Load(); k++ {
				on := counting.Load()
				sample := on && k%8 == 0
				var start time.Time
				if sample {
					start = time.Now()
				}
				n := g.do()
				if sample {
					latencies[i] = append(latencies[i], int32(min(time.Since(start)/100, 1<<31-1)))
				}
				if on {
					local += int64(n)
				}
			}
			count.Add(local)
		}()
	}
	for range o.busy {
		go compute(&stop)
	}
	most := watchThreads(&stop)
	runtime.GC() // not under load, where it can take longer than all else
	close(gate)
	time.Sleep(min(o.time/5, 200*time.Millisecond))
	counting.Store(true)
	cpu, start := peer.CPUTime(), time.Now()
	time.Sleep(o.time)
	used, took := peer.CPUTime()-cpu, time.Since(start)
	stop.Store(true)
	wg.Wait()
	// Operations that end after the time are counted, those begun before it not.
	r := result{Ops: count.Load(), Threads: <-most}
	if r.Ops == 0 {
		log.Fatal("not one operation ended in time")
	}
	r.Rate = float64(r.Ops) / took.Seconds()
	r.CPU = float64(used.Nanoseconds()) / 1000 / float64(r.Ops)
	all := slices.Concat(latencies...)
	slices.Sort(all)
	if len(all) > 0 {
		r.P50, r.P99 = float64(all[len(all)/2])/10, float64(all[len(all)*99/100])/10
	}
	return r
}

// compute computes.
func compute(stop *atomic.Bool) {
	for x := uint64(1); !stop.Load(); {
		for range 10000 {
			x = x*6364136223846793005 + 1
		}
	}
}

// watchThreads reports the most threads there were.
func watchThreads(stop *atomic.Bool) <-chan int {
	most := make(chan int, 1)
	go func() {
		n := 0
		for !stop.Load() {
			n = max(n, threads())
			time.Sleep(20 * time.Millisecond)
		}
		most <- n
	}()
	return most
}

func threads() int {
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := bytes.Cut(status, []byte("Threads:"))
	line, _, _ := bytes.Cut(after, []byte("\n"))
	n, _ := strconv.Atoi(string(bytes.TrimSpace(line)))
	return n
}

// alignedMemory returns n bytes that suit direct I/O, all touched.
func alignedMemory(n int) []byte {
	mem, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_POPULATE)
	peer.Must(err)
	return mem
}
