//go:build linux && cgo

package uring

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
)

// Once every place in the queue has had a path or vector of some length, those
// that are no longer need no memory.
func TestKeptMemoryIsUsedAgain(t *testing.T) {
	b := newBench(t)
	long, short := strings.Repeat("p", 4000), "short"
	parts := [][]byte{b.mem[:10], b.mem[20:30]}
	request := func(path string) {
		for _, prep := range []func(SQE) error{
			func(s SQE) error { return s.PrepRenameat(AtFDCWD, path, AtFDCWD, path, 0) },
			func(s SQE) error { return s.PrepReadv(0, parts, 0, 0) },
		} {
			s, err := b.r.NextSQE()
			if err != nil {
				t.Fatal(err)
			}
			if err := prep(s); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range b.r.q.SQEntries() {
		request(long)
	}
	if n := testing.AllocsPerRun(100, func() { request(short) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Go memory that a request points at does not move, even from a stack that
// grows in the meantime.
func TestMemoryOnTheStackStays(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, b := streamPair(g)
		var small [16]byte
		g.queue(1, func(s SQE) { s.PrepRecv(FD(a), small[:], 0) })
		g.submit()
		growStack(2000)
		g.write(b, "still here")
		equal(t, "completions", g.await(1), []CQE{{UserData: 1, Res: 10}})
		equal(t, "memory", string(small[:10]), "still here")
	})
}

//go:noinline
func growStack(n int) byte {
	var frame [512]byte
	if n > 0 {
		frame[n%512] = growStack(n - 1)
	}
	return frame[n%512]
}

// The kernel copies what an entry points at when it takes the entry: that the
// place in the queue is used again must not change requests that still wait.
func TestPathsAndVectorsAreFreeAfterSubmit(t *testing.T) {
	for _, flags := range []SetupFlags{0, SetupSQPoll} {
		g := newRig(t, Config{Entries: 1, Flags: flags})
		dir := t.TempDir()
		in, out := g.pipe()
		queue := func(prep func(SQE) error) {
			t.Helper()
			s, err := g.NextSQE()
			for errors.Is(err, ErrSQFull) { // the kernel's thread is about to take the last
				s, err = g.NextSQE()
			}
			g.must(err)
			g.must(prep(s))
			_, err = g.Submit()
			g.must(err)
		}
		var got [4][2]byte
		for i := range got { // all wait for the pipe
			queue(func(s SQE) error { return s.PrepReadv(in, [][]byte{got[i][:1], got[i][1:]}, CurrentOffset, 0) })
		}
		for _, name := range []string{"a", "b", "c"} {
			queue(func(s SQE) error {
				g.must(s.PrepMkdirat(AtFDCWD, dir+"/"+strings.Repeat(name, 200), 0o755))
				return s.SetFlags(Async)
			})
		}
		_, err := syscall.Write(int(out), []byte("12345678"))
		g.must(err)
		for range 7 {
			g.must(g.next().Err())
		}
		if s := string(bytes.Join([][]byte{got[0][:], got[1][:], got[2][:], got[3][:]}, nil)); len(s) != 8 || strings.ContainsRune(s, 0) {
			t.Errorf("%v: read %q", flags, s)
		}
		for _, name := range []string{"a", "b", "c"} {
			if _, err := os.Stat(dir + "/" + strings.Repeat(name, 200)); err != nil {
				t.Errorf("%v: %v", flags, err)
			}
		}
	}
}
