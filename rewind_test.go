package uring

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/testutil"
)

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
	r := ringOf(t, Config{Entries: 4, Flags: SetupSQRewind | SetupNoSQArray})
	for range 5 {
		numbered(t, r, 1, 4)
		if _, err := r.SubmitAndWait(4); err != nil {
			t.Fatal(err)
		}
		equal(t, "completions", userData(r), []uint64{1, 2, 3, 4})
	}
}
