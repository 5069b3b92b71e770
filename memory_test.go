package uring

import (
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/golang/mock/gomock"
	"github.com/uring-go/uring/cgo"
)

// memory is a ring's shared memory without a kernel: the test plays the kernel.
type memory struct {
	sqHead, sqTail, sqGiven, sqFlags uint32
	cqHead, cqTail                   uint32
	sqes                             [16]cgo.SQE
	cqes                             [16]cgo.CQE
}

func (m *memory) queues(flags SetupFlags) *cgo.Queues {
	q := cgo.NewQueues(cgo.QueueMemory{
		SQHead: &m.sqHead, SQTail: &m.sqTail, SQGiven: &m.sqGiven, SQFlags: &m.sqFlags,
		SQEs: unsafe.Pointer(&m.sqes), SQEntries: uint32(len(m.sqes)),
		CQHead: &m.cqHead, CQTail: &m.cqTail,
		CQEs: unsafe.Pointer(&m.cqes), CQEntries: uint32(len(m.cqes)),
		Flags: uint32(flags),
	})
	return &q
}

// post is the kernel completing requests with these user data.
func (m *memory) post(userData ...uint64) {
	for _, u := range userData {
		m.cqes[m.cqTail%uint32(len(m.cqes))] = cgo.CQE{UserData: u}
		atomic.AddUint32(&m.cqTail, 1)
	}
}

// take is the kernel taking n submitted entries.
func (m *memory) take(n uint32) int {
	atomic.AddUint32(&m.sqHead, n)
	return int(n)
}

// newMockRing returns a ring over Go memory whose calls into C are a mock's: a
// call that the test does not expect fails it.
func newMockRing(t *testing.T, flags SetupFlags) (*Ring, *memory, *mockDriverMockRecorder) {
	atOnce(t)
	m, drv := &memory{}, NewmockDriver(gomock.NewController(t))
	return newRing(m.queues(flags), drv, flags, cgo.FeatMinTimeout), m, drv.EXPECT()
}

// atOnce makes calls for which the kernel has no memory fail at the first try.
func atOnce(tb testing.TB) {
	old := settleTime
	settleTime = 0
	tb.Cleanup(func() { settleTime = old })
}

// nops takes n entries.
func nops(t *testing.T, r *Ring, n int) {
	t.Helper()
	for range n {
		s, err := r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		s.PrepNop()
	}
}

// userData returns the user data of the completions that are ready.
func userData(r *Ring) []uint64 {
	var got []uint64
	for c := range r.Completions() {
		got = append(got, c.UserData)
	}
	return got
}
