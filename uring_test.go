//go:build linux

package uring

import (
	"bytes"
	"errors"
	"math/rand"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/testutil"
)

func TestSubmitCounts(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		nop := func(s SQE) { s.PrepNop() }
		n, err := g.Submit()
		equal(t, "Submit of nothing", n, 0)
		equal(t, "error", err, nil)

		g.queue(1, nop)
		g.queue(2, nop)
		n, err = g.Submit()
		equal(t, "Submit of two", n, 2)
		equal(t, "error", err, nil)
		g.await(2)

		g.queue(3, nop)
		n, err = g.SubmitAndWait(1)
		equal(t, "SubmitAndWait of one", n, 1)
		equal(t, "error", err, nil)
		equal(t, "ready", g.Ready(), 1)

		g.queue(4, nop) // with a completion ready
		n, err = g.SubmitAndWaitTimeout(2, patience)
		equal(t, "SubmitAndWaitTimeout of one", n, 1)
		equal(t, "error", err, nil)
		equal(t, "completions", userData(g.Ring), []uint64{3, 4})

		g.queue(5, nop)
		n, err = g.SubmitAndWait(0)
		equal(t, "SubmitAndWait for nothing", n, 1)
		equal(t, "error", err, nil)
		g.await(1)
	})
}

// The kernel's thread sleeps when there is nothing to do, and wakes up again.
func TestSQPollThreadSleepsAndWakes(t *testing.T) {
	g := newRig(t, Config{Entries: 4, Flags: SetupSQPoll, SQThreadIdle: time.Millisecond})
	for i := range uint64(5) {
		asleep := time.Now().Add(patience)
		for g.q.SQFlags()&cgo.SQNeedWakeup == 0 {
			if time.Now().After(asleep) {
				t.Fatal("the thread does not go to sleep")
			}
			time.Sleep(time.Millisecond)
		}
		g.queue(i, func(s SQE) { s.PrepNop() })
		equal(t, "completions", g.await(1), []CQE{{UserData: i}})
	}
}

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

// rewound is the kernel and liburing with SetupSQRewind: the submit takes n
// entries from the first on, and the next one is the first again.
func (m *memory) rewound(n int) func() int {
	return func() int {
		m.sqTail = 0
		return n
	}
}

func entries(m *memory, n int) []uint64 {
	list := make([]uint64, n)
	for i := range list {
		list[i] = m.sqes[i].UserData
	}
	return list
}

func numbered(t *testing.T, r *Ring, from, n uint64) {
	t.Helper()
	for i := range n {
		s, err := r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		s.PrepNop()
		s.UserData = from + i
	}
}

func TestRewoundQueueStartsAgain(t *testing.T) {
	r, m, drv := newMockRing(t, SetupSQRewind|SetupNoSQArray)
	for range 3 {
		numbered(t, r, 1, uint64(len(m.sqes)))
		_, err := r.NextSQE()
		equal(t, "full", err, ErrSQFull)
		equal(t, "entries", entries(m, 3), []uint64{1, 2, 3})
		drv.Submit().DoAndReturn(m.rewound(len(m.sqes)))
		n, err := r.Submit()
		equal(t, "entries taken", n, len(m.sqes))
		equal(t, "error", err, nil)
		equal(t, "queued", r.Queued(), 0)
	}
}

// What the kernel does not take goes to the start, in order, and in front of
// what comes next.
func TestShortSubmitOfARewoundQueue(t *testing.T) {
	r, m, drv := newMockRing(t, SetupSQRewind|SetupNoSQArray)
	numbered(t, r, 1, 5)
	gomock.InOrder(
		drv.Submit().DoAndReturn(m.rewound(-int(syscall.EINTR))),
		drv.Submit().DoAndReturn(m.rewound(2)),
		drv.Submit().DoAndReturn(m.rewound(-int(syscall.EAGAIN))),
		drv.Submit().DoAndReturn(m.rewound(4)),
	)
	n, err := r.Submit()
	equal(t, "entries taken", n, 2)
	equal(t, "error", err, nil)
	equal(t, "queued", r.Queued(), 3)
	equal(t, "entries", entries(m, 3), []uint64{3, 4, 5})
	numbered(t, r, 6, 1)

	n, err = r.Submit()
	equal(t, "entries taken without memory", n, 0)
	equal(t, "is EAGAIN", errors.Is(err, syscall.EAGAIN), true)
	equal(t, "entries", entries(m, 4), []uint64{3, 4, 5, 6})

	n, err = r.Submit()
	equal(t, "entries taken", n, 4)
	equal(t, "error", err, nil)
	equal(t, "queued", r.Queued(), 0)
}

// The memory of an entry's place moves with it.
func TestRewoundEntriesKeepTheirMemory(t *testing.T) {
	r, m, drv := newMockRing(t, SetupSQRewind|SetupNoSQArray)
	t.Cleanup(func() {
		if err := r.scratch.Unmap(); err != nil {
			t.Error(err)
		}
	})
	for i := range 4 {
		s, err := r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		s.PrepTimeout(time.Duration(i+1)*time.Second, 0, 0)
		*s.kept() = []byte{byte(i)}
	}
	drv.Submit().DoAndReturn(m.rewound(3))
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
	numbered(t, r, 9, 1)
	slot := r.scratch.Bytes()[:slotSize]
	equal(t, "address of the timeout", m.sqes[0].Addr, arena.Addr(slot))
	equal(t, "seconds", slot[0], 4)
	equal(t, "kept memory", r.kept[0], []byte{3})
}

func TestWaitsOnARewoundQueueSubmitFirst(t *testing.T) {
	r, m, drv := newMockRing(t, SetupSQRewind|SetupNoSQArray)
	numbered(t, r, 1, 5)
	gomock.InOrder(
		drv.Submit().DoAndReturn(m.rewound(2)),
		drv.Submit().DoAndReturn(m.rewound(3)),
		drv.SubmitAndWaitTimeout(uint32(1), gomock.Any(), uint32(0)).DoAndReturn(func(uint32, int64, uint32) int {
			equal(t, "queued in the wait", r.Queued(), 0)
			m.post(1)
			return 0
		}),
		drv.Wait(gomock.Any()).DoAndReturn(func(w cgo.Wait) int { m.post(2); return 0 }),
	)
	n, err := r.SubmitAndWaitTimeout(1, time.Second)
	equal(t, "entries taken", n, 5)
	equal(t, "error", err, nil)
	numbered(t, r, 6, 1)
	equal(t, "error of WaitReady", r.WaitReady(2, time.Second), nil)
	equal(t, "queued, as WaitReady submits nothing", r.Queued(), 1)
}

func TestRewindOnTheKernel(t *testing.T) {
	testutil.Need(t, HaveSQRewind)
	r := newRig(t, Config{Entries: 4, Flags: SetupSQRewind | SetupNoSQArray})
	for range 5 {
		numbered(t, r.Ring, 1, 4)
		if _, err := r.SubmitAndWait(4); err != nil {
			t.Fatal(err)
		}
		equal(t, "completions", userData(r.Ring), []uint64{1, 2, 3, 4})
	}
}
