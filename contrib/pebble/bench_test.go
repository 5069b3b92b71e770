//go:build linux

package pebblefs

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/uring-go/uring/file"
)

var benchDir = flag.String("dir", "", "folder for the database of the benchmarks, on the disk to measure")

const benchKeys = 200_000

// ways are Pebble's own file system and this one.
func ways(b *testing.B, f func(b *testing.B, s vfs.FS)) {
	b.Run("default", func(b *testing.B) { f(b, vfs.Default) })
	b.Run("pebblefs", func(b *testing.B) { f(b, New(engine(b, file.Config{}))) })
}

// loaded returns a folder with a database that is larger than its cache.
func loaded(b *testing.B) string {
	b.Helper()
	dir := *benchDir
	if dir == "" {
		dir = b.TempDir()
	}
	dir = filepath.Join(dir, "pebblefs-bench")
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	o := &pebble.Options{Logger: quiet{b}}
	db, err := pebble.Open(dir, o)
	if err != nil {
		b.Fatal(err)
	}
	v := make([]byte, 1000)
	for i := range benchKeys {
		for j := range v {
			v[j] = byte(rand.Uint32())
		}
		if err := db.Set(key(i), v, pebble.NoSync); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := db.Compact(b.Context(), key(0), []byte{255, 255, 255, 255, 255, 255, 255, 255, 255}, true); err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	return dir
}

// dropCaches has the database's files read from the disk again.
func dropCaches(b *testing.B, dir string) {
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		f, err := file.Open(name)
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Advise(file.DontNeed, 0, 0); err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
}

// BenchmarkColdGets gets values that are in no cache.
func BenchmarkColdGets(b *testing.B) {
	dir := loaded(b)
	for _, n := range []int{1, 64, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ways(b, func(b *testing.B, s vfs.FS) {
				dropCaches(b, dir)
				db, err := pebble.Open(dir, &pebble.Options{FS: s, Logger: quiet{b}, CacheSize: 8 << 20, DisableAutomaticCompactions: true})
				if err != nil {
					b.Fatal(err)
				}
				defer db.Close()
				run(b, n, func() error {
					_, closer, err := db.Get(key(rand.IntN(benchKeys)))
					if err != nil {
						return err
					}
					return closer.Close()
				})
			})
		})
	}
}

// BenchmarkSyncedCommits commits each write to the disk.
func BenchmarkSyncedCommits(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ways(b, func(b *testing.B, s vfs.FS) {
				dir := b.TempDir()
				if *benchDir != "" {
					dir = filepath.Join(*benchDir, "pebblefs-commits")
					defer os.RemoveAll(dir)
				}
				db, err := pebble.Open(dir, &pebble.Options{FS: s, Logger: quiet{b}})
				if err != nil {
					b.Fatal(err)
				}
				defer db.Close()
				run(b, n, func() error { return db.Set(key(rand.IntN(benchKeys)), key(1), pebble.Sync) })
			})
		})
	}
}

// run has n goroutines do b.N things, and reports processor time and threads.
func run(b *testing.B, n int, do func() error) {
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	stop, most := make(chan struct{}), make(chan int)
	go func() {
		threads := 0
		for {
			tasks, _ := os.ReadDir("/proc/self/task")
			threads = max(threads, len(tasks))
			select {
			case <-stop:
				most <- threads
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	b.ResetTimer()
	before := cpu(b)
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for left.Add(-1) >= 0 {
				if err := do(); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	b.ReportMetric(float64(cpu(b)-before)/1000/float64(b.N), "cpu-µs/op")
	close(stop)
	b.ReportMetric(float64(<-most), "threads")
}

// cpu returns the nanoseconds of processor time that the process has taken.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
