//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/uring-go/uring/file"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

const writers, records = 50, 20

func TestLog(t *testing.T) {
	t.Cleanup(func() { file.Default().Close() })
	name := filepath.Join(t.TempDir(), "log")
	none := func([]byte) error { return fmt.Errorf("a record in an empty log") }
	w, err := openLog(name, none)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range writers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range records {
				if err := w.append(fmt.Appendf(nil, "%d %d", g, i)); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	if err := w.append(nil); err == nil {
		t.Error("an empty record is appended")
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	// The machine stops in the middle of a record.
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte{100, 0, 0, 0, 1, 2, 3, 4, 'h', 'a', 'l', 'f'}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for more := range 2 {
		w := reopen(t, name, more)
		if err := w.append(fmt.Appendf(nil, "%d 0", writers)); err != nil {
			t.Error(err)
		}
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// reopen opens a log that must have all records of all writers, each writer's in
// order, and some more.
func reopen(t *testing.T, name string, more int) *writeLog {
	t.Helper()
	next := make([]int, writers+1) // the record of each writer that is to come
	w, err := openLog(name, func(p []byte) error {
		var g, i int
		if _, err := fmt.Sscan(string(p), &g, &i); err != nil {
			return err
		}
		if g < writers && next[g] != i {
			return fmt.Errorf("record %d of writer %d where %d should be", i, g, next[g])
		}
		next[g]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for g, n := range next[:writers] {
		if n != records {
			t.Errorf("%d records of writer %d", n, g)
		}
	}
	if next[writers] != more {
		t.Errorf("%d records besides, want %d", next[writers], more)
	}
	return w
}
