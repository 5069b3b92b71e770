package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/file"
)

// A sideState is what a side has done so far.
type sideState struct {
	Threads int     `json:"threads"` // the most at once
	Rate    float64 `json:"rate"`    // reads a second
	CPU     float64 `json:"cpu_us"`  // for a read
}

// runSide lets goroutines read for a time through one of the two packages, and
// prints its state from time to time, as JSON.
func runSide(side, path string, readers int, length time.Duration, out io.Writer) error {
	f, size, err := openSide(side, path)
	if err != nil {
		return err
	}
	memory, err := uring.NewArena(uring.ArenaConfig{Size: readers * blockSize})
	if err != nil {
		return errors.Join(err, f.Close())
	}
	var reads atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	failed := make(chan error, readers)
	for i := range readers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			p := memory.Bytes()[i*blockSize : (i+1)*blockSize]
			for !stop.Load() {
				if _, err := f.ReadAt(p, rand.Int64N(size/blockSize)*blockSize); err != nil {
					failed <- err
					return
				}
				reads.Add(1)
			}
		}()
	}
	err = watchSide(&reads, length, out, failed)
	stop.Store(true)
	wg.Wait()
	return errors.Join(err, f.Close(), file.Default().Close(), memory.Close())
}

const blockSize = 4096

type readerAtCloser interface {
	io.ReaderAt
	io.Closer
}

func openSide(side, path string) (f readerAtCloser, size int64, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if size = st.Size(); size < blockSize {
		return nil, 0, fmt.Errorf("%s has %d bytes, want at least %d", path, size, blockSize)
	}
	switch flag := os.O_RDONLY | directFlag; side {
	case "os":
		f, err = os.OpenFile(path, flag, 0)
	case "file":
		f, err = file.OpenFile(path, flag, 0)
	default:
		err = fmt.Errorf("there is no side %q", side)
	}
	return f, size, err
}

// watchSide prints the state until the time is up or a read fails.
func watchSide(reads *atomic.Int64, length time.Duration, out io.Writer, failed <-chan error) error {
	start, most := time.Now(), 0
	report := json.NewEncoder(out)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-failed:
			return err
		case <-tick.C:
		}
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		most = max(most, len(tasks))
		n, took := reads.Load(), time.Since(start)
		s := sideState{Threads: most, Rate: float64(n) / took.Seconds()}
		if n > 0 {
			s.CPU = processorTime() / float64(n)
		}
		if err := report.Encode(s); err != nil {
			return err
		}
		if took >= length {
			return nil
		}
	}
}

// processorTime returns the processor time of the process in microseconds.
func processorTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1000
}
