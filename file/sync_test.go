//go:build linux

package file

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// Whatever was written before a call is covered by a sync that begins after it,
// and calls share syncs.
func TestASyncCoversWhatWasWrittenBefore(t *testing.T) {
	var m merger
	var written, synced atomic.Int64
	syncs := 0
	sync1 := func(bool) error {
		w := written.Load()
		syncs++ // one at a time
		time.Sleep(50 * time.Microsecond)
		if w > synced.Load() {
			synced.Store(w)
		}
		return nil
	}
	var wg sync.WaitGroup
	for range 64 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 50 {
				mine := written.Add(1)
				if err := m.join(true, sync1); err != nil {
					t.Error(err)
				}
				if s := synced.Load(); s < mine {
					t.Errorf("write %d is not covered: %d is", mine, s)
				}
			}
		}()
	}
	wg.Wait()
	if syncs > 64*50/4 {
		t.Errorf("%d syncs for %d calls", syncs, 64*50)
	}
}

// An error is that of all whose writes it may be about, and a call that wants
// everything synced gets that.
func TestSharedSyncs(t *testing.T) {
	var m merger
	bad := errors.New("bad")
	begun, goOn := make(chan bool, 10), make(chan error, 10)
	do := func(data bool) error {
		begun <- data
		return <-goOn
	}
	first, others := make(chan error, 1), make(chan error, 8)
	go func() { first <- m.join(true, do) }()
	if data := <-begun; !data {
		t.Error("Datasync became Sync")
	}
	for i := range 8 {
		go func() { others <- m.join(i != 3, do) }()
	}
	wait(t, "8 wait", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.next != nil && m.next.calls == 8 })
	goOn <- bad
	if err := <-first; err != bad {
		t.Error(err)
	}
	if data := <-begun; data {
		t.Error("Sync became Datasync")
	}
	goOn <- nil
	for range 8 {
		// The kernel reports an error once; it may be about their writes.
		if err := <-others; err != bad {
			t.Error(err)
		}
	}
	go func() { first <- m.join(true, do) }()
	<-begun
	goOn <- nil
	if err := <-first; err != nil {
		t.Errorf("later: %v", err)
	}
}

// SyncContext ends with its context, whatever the disk does.
func TestSyncContext(t *testing.T) {
	hold := make(chan struct{})
	e := start(t, Config{ringOnly: true, inject: func(r *core.Request, c uring.CQE) uring.CQE { return c }})
	name, _ := written(t, 100)
	f := opened(t, e, name, os.O_RDWR)
	go f.syncs.join(true, func(bool) error { <-hold; return nil })
	wait(t, "a sync runs", func() bool { f.syncs.mu.Lock(); defer f.syncs.mu.Unlock(); return f.syncs.running })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := f.SyncContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(hold)
	must(t, f.SyncContext(context.Background()))
	ctx, cancel = context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	must(t, f.DatasyncContext(ctx))
}

const crashFile = "URING_TEST_CRASH_FILE"

// A process is killed while goroutines write and sync. What it had acknowledged
// is in the file.
func TestAcknowledgedWritesOutliveTheProcess(t *testing.T) {
	if name := os.Getenv(crashFile); name != "" {
		acknowledge(t, name)
		return
	}
	for _, way := range []string{"default", "ring only", "no ring"} {
		t.Run(way, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "log")
			acks := runAndKill(t, name, way, nil)
			data, err := os.ReadFile(name)
			must(t, err)
			checkAcknowledged(t, data, acks)
		})
	}
}

// runAndKill has a process acknowledge records for a while, calls stop if there
// is one, and kills it. It returns the records that were acknowledged before
// stop: a sync that this interrupts may seem to succeed.
func runAndKill(t *testing.T, name, way string, stop func()) []uint64 {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestAcknowledgedWritesOutliveTheProcess$")
	cmd.Env = append(os.Environ(), crashFile+"="+name, "URING_TEST_WAY="+way)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() }) // it hangs
	const enough = 300
	var acks []uint64
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			continue
		}
		if acks = append(acks, n); len(acks) == enough {
			go func() {
				if stop != nil {
					stop()
				}
				time.Sleep(20 * time.Millisecond)
				_ = cmd.Process.Kill()
			}()
		}
	}
	_ = cmd.Wait()
	if len(acks) < enough {
		t.Fatalf("%d records were acknowledged", len(acks))
	}
	if stop != nil {
		acks = acks[:enough]
	}
	return acks
}

// checkAcknowledged looks for the records.
func checkAcknowledged(t *testing.T, data []byte, acks []uint64) {
	t.Helper()
	for _, n := range acks {
		at := n * recordSize
		if uint64(len(data)) < at+recordSize || binary.LittleEndian.Uint64(data[at:]) != n+1 || data[at+recordSize-1] != byte(n) {
			t.Errorf("record %d was acknowledged, and is not there", n)
			return
		}
	}
	t.Logf("%d records", len(acks))
}

const recordSize = 600

// acknowledge writes records, each with its number, syncs, and says so.
func acknowledge(t *testing.T, name string) {
	e, err := New(map[string]Config{"ring only": {ringOnly: true}, "no ring": {NoRing: true}}[os.Getenv("URING_TEST_WAY")])
	must(t, err)
	f, err := e.Create(name)
	must(t, err)
	var next atomic.Uint64
	for range 32 {
		go func() {
			p := make([]byte, recordSize)
			for {
				n := next.Add(1) - 1
				binary.LittleEndian.PutUint64(p, n+1)
				p[recordSize-1] = byte(n)
				if _, err := f.WriteAt(p, int64(n)*recordSize); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				if err := f.Datasync(); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Println(n)
			}
		}()
	}
	time.Sleep(10 * time.Minute)
	os.Exit(1)
}

// Many goroutines append; each write is whole.
func TestAppend(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *Engine) {
		f := opened(t, e, filepath.Join(t.TempDir(), "log"), os.O_RDWR|os.O_CREATE|os.O_APPEND)
		var wg sync.WaitGroup
		for g := range 20 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range 20 {
					if _, err := f.Write([]byte{byte(g), byte(g), byte(g), '\n'}); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		wg.Wait()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		must(t, err)
		count := map[byte]int{}
		for i := 0; i+4 <= len(data); i += 4 {
			if data[i] != data[i+1] || data[i] != data[i+2] || data[i+3] != '\n' {
				t.Fatalf("torn at %d: %q", i, data[i:i+4])
			}
			count[data[i]]++
		}
		for g := range 20 {
			if count[byte(g)] != 20 {
				t.Errorf("%d lines of %d", count[byte(g)], g)
			}
		}
	})
}
