//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uring-go/uring/internal/live"
)

// A config says what to do.
type config struct {
	seed    uint64
	round   int64 // the only one to play, or -1
	steps   int
	players int
	length  time.Duration
}

// run plays rounds, several at once, until the time is over or one finds a fault.
func (c config) run(total *tally) error {
	if c.round >= 0 {
		return c.playAll(total, 1, func() (uint64, bool) {
			n := c.round
			c.round = -1
			return uint64(n), n >= 0
		})
	}
	var next atomic.Uint64
	end := time.Now().Add(c.length)
	return c.playAll(total, c.players, func() (uint64, bool) {
		return next.Add(1) - 1, time.Now().Before(end)
	})
}

func (c config) playAll(total *tally, players int, next func() (uint64, bool)) error {
	before := count()
	var wg sync.WaitGroup
	errs := make([]error, players)
	var failed atomic.Bool
	for i := range players {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n, ok := next(); ok && !failed.Load(); n, ok = next() {
				if errs[i] = play(c.seed, n, c.steps, total); errs[i] != nil {
					failed.Store(true)
				}
			}
		}()
	}
	wg.Wait()
	return errors.Join(append(errs, before.left())...)
}

// A census is what a process has.
type census struct{ files, goroutines int }

func count() census {
	files, _ := os.ReadDir("/proc/self/fd")
	return census{len(files), runtime.NumGoroutine()}
}

// left returns what there is more than before, once nothing changes any more.
func (before census) left() error {
	for range 100 {
		if now := count(); now.files <= before.files+2 && now.goroutines <= before.goroutines && live.Report() == "" {
			return nil
		}
		runtime.GC()
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("left open: before %+v, after %+v; %s", before, count(), live.Report())
}
