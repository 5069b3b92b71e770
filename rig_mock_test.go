//go:build linux

package uring

import (
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
)

// memory is a ring's shared memory without a kernel: the test plays the kernel.
type memory struct {
	sqHead, sqTail, sqGiven, sqFlags uint32
	cqHead, cqTail                   uint32
	dropped, overflow                uint32
	sqes                             [16]cgo.SQE
	cqes                             [16]cgo.CQE
}

func (m *memory) queues(flags SetupFlags) *cgo.Queues {
	q := cgo.NewQueues(cgo.QueueMemory{
		SQHead: &m.sqHead, SQTail: &m.sqTail, SQGiven: &m.sqGiven, SQFlags: &m.sqFlags,
		SQDropped: &m.dropped, CQOverflow: &m.overflow,
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

// busyDriver is a driver whose requests cannot be cancelled, and that takes no
// files.
type busyDriver struct{ driver }

func (busyDriver) SyncCancelAll(int64) int { return -int(syscall.ETIME) }

func (busyDriver) RegisterFiles([]int32, []uint64) int { return -int(syscall.EACCES) }

// byteDice decides by the bytes of an input, and for the first of all choices
// when it is used up.
type byteDice struct{ input []byte }

func (d *byteDice) Intn(n int) int {
	v := 0
	for most := 1; most < n && len(d.input) > 0; most <<= 8 {
		v = v<<8 | int(d.input[0])
		d.input = d.input[1:]
	}
	return v % n
}

func bigOnes(r *Ring) (list []bigCQE) {
	for c, extra := range r.CompletionsBig() {
		list = append(list, bigCQE{c, extra})
	}
	return list
}

// nopBig takes an entry that does nothing and completes with its user data and
// 16 more bytes.
func nopBig(t *testing.T, r *Ring, userData, a, b uint64) {
	t.Helper()
	s, err := r.NextSQE()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PrepNopBig(int32(userData), [2]uint64{a, b}); err != nil {
		t.Fatal(err)
	}
	s.UserData = userData
}

type bigCQE struct {
	CQE
	Extra [2]uint64
}
