//go:build linux

// Command load has goroutines get values from a Pebble database, or put some
// there, through Pebble's own file system or that of package file. It prints a
// line of JSON, for the benchmark of the repository.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	pebblefs "github.com/uring-go/uring/contrib/pebble"
	"github.com/uring-go/uring/file"
)

// A result is what one run gave.
type result struct {
	Ops     int64   `json:"ops"`
	Rate    float64 `json:"rate"`    // operations a second
	CPU     float64 `json:"cpu_us"`  // microseconds of processor time for an operation
	Threads int     `json:"threads"` // the most at once, those of the kernel's included
}

const keys = 200_000 // of 1000 bytes each

func main() {
	log.SetFlags(0)
	log.SetPrefix("load: ")
	via := flag.String("via", "file", "file, or default: Pebble's own file system")
	work := flag.String("work", "gets", "gets, commits, or fill: make the database that gets reads")
	n := flag.Int("n", 1, "goroutines")
	dir := flag.String("dir", "", "folder of the database")
	length := flag.Duration("time", time.Second, "for how long")
	flag.Parse()
	s := vfs.Default
	if *via == "file" {
		s = pebblefs.New(file.Default())
	}
	db, err := pebble.Open(*dir, &pebble.Options{FS: s, Logger: silent{}, CacheSize: 8 << 20, DisableAutomaticCompactions: *work == "gets"})
	must(err)
	do := func() error { return db.Set(key(rand.IntN(keys)), key(1), pebble.Sync) }
	switch *work {
	case "fill":
		must(fill(db))
		must(db.Close())
		return
	case "gets":
		stop := dropCaches(*dir)
		defer stop()
		do = func() error {
			_, closer, err := db.Get(key(rand.IntN(keys)))
			if err != nil {
				return err
			}
			return closer.Close()
		}
	}
	must(json.NewEncoder(os.Stdout).Encode(measure(*n, *length, do)))
	must(db.Close())
}

func key(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15) }

func fill(db *pebble.DB) error {
	v := make([]byte, 1000)
	for i := range keys {
		for j := 0; j < len(v); j += 8 {
			binary.LittleEndian.PutUint64(v[j:], rand.Uint64())
		}
		if err := db.Set(key(i), v, pebble.NoSync); err != nil {
			return err
		}
	}
	if err := db.Flush(); err != nil {
		return err
	}
	last := []byte{255, 255, 255, 255, 255, 255, 255, 255, 255}
	return db.Compact(context.Background(), nil, last, true)
}

// dropCaches has the tables read from the disk again and again.
func dropCaches(dir string) (stop func()) {
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	must(err)
	var files []*os.File
	for _, name := range names {
		f, err := os.Open(name)
		must(err)
		files = append(files, f)
	}
	var over atomic.Bool
	done := make(chan struct{})
	drop := func() {
		const dontneed = 4
		for _, f := range files {
			_, _, errno := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0, dontneed, 0, 0)
			if errno != 0 {
				log.Fatal(errno)
			}
		}
	}
	drop()
	go func() {
		defer close(done)
		for !over.Load() {
			time.Sleep(100 * time.Millisecond)
			drop()
		}
	}()
	return func() { over.Store(true); <-done }
}

// measure has n goroutines work for the time.
func measure(n int, length time.Duration, do func() error) result {
	var over atomic.Bool
	var ops atomic.Int64
	var wg sync.WaitGroup
	before, start := processorTime(), time.Now()
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !over.Load() {
				must(do())
				ops.Add(1)
			}
		}()
	}
	r := result{}
	for time.Since(start) < length {
		tasks, _ := os.ReadDir("/proc/self/task")
		r.Threads = max(r.Threads, len(tasks))
		time.Sleep(20 * time.Millisecond)
	}
	over.Store(true)
	wg.Wait()
	r.Ops = ops.Load()
	r.Rate = float64(r.Ops) / time.Since(start).Seconds()
	r.CPU = float64((processorTime() - before).Microseconds()) / float64(r.Ops)
	return r
}

func processorTime() time.Duration {
	var u syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

type silent struct{}

func (silent) Infof(string, ...any)           {}
func (silent) Errorf(format string, a ...any) { log.Printf(format, a...) }
func (silent) Fatalf(format string, a ...any) { log.Fatalf(format, a...) }
