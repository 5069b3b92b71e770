//go:build linux

package uring

import (
	"bytes"
	"math/rand"
	"os"
	"testing"
	"time"
)

// The kernel's thread and the program work on the queues at the same time, on
// two processors, with nothing but the order of their loads and stores between
// them. Each request must get to the kernel whole, and each completion come with
// what the kernel wrote before it.
func TestKernelsThreadAndProgramSeeEachOthersWrites(t *testing.T) {
	const places, most = 32, 16 // places in memory, of at most so many bytes
	g := newRig(t, Config{Entries: 2 * places, Flags: SetupSQPoll, SQThreadIdle: time.Second})
	zero, err := os.Open("/dev/zero")
	g.must(err)
	defer zero.Close()
	mem := g.arena(places * most).Bytes()
	rnd := rand.New(rand.NewSource(1))
	deadline := time.Now().Add(time.Minute)
	next := uint64(0)
	for range fewer(4000) {
		n, want := 1+rnd.Intn(places), map[uint64]int{}
		atOnce := rnd.Intn(2) == 0
		for range n {
			p := mem[next%places*most:][:most]
			copy(p, bytes.Repeat([]byte{1}, most))
			want[next] = 1 + rnd.Intn(most)
			g.queue(next, func(s SQE) { s.PrepRead(FD(zero.Fd()), p[:want[next]], 0) })
			next++
			if !atOnce {
				g.submit()
			}
		}
		if atOnce {
			g.submit()
		}
		for len(want) > 0 {
			for c := range g.Completions() {
				n, asked := want[c.UserData]
				p := mem[c.UserData%places*most:][:most]
				if !asked || int(c.Res) != n || !bytes.Equal(p[:n], make([]byte, n)) || n < most && p[n] != 1 {
					t.Fatalf("asked for %d bytes (%v), got %+v, and %v", n, asked, c, p)
				}
				delete(want, c.UserData)
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d requests never completed", len(want))
			}
		}
	}
}
