package cgo

import (
	"testing"
	"unsafe"
)

// mixed is a queue of eight slots for entries of both sizes.
type mixed struct {
	Queues
	head, tail, given uint32
	sqes              [8]SQE
	cqHead, cqTail    uint32
	cqes              [8]CQE

	taken []*SQE // in order
}

func newMixed() *mixed {
	m := &mixed{}
	m.Queues = NewQueues(QueueMemory{
		SQHead: &m.head, SQTail: &m.tail, SQGiven: &m.given, SQEs: unsafe.Pointer(&m.sqes), SQEntries: 8,
		CQHead: &m.cqHead, CQTail: &m.cqTail, CQEs: unsafe.Pointer(&m.cqes), CQEntries: 8,
		Flags: SetupSQEMixed,
	})
	return m
}

// small takes an entry of 64 bytes.
func (m *mixed) small() {
	m.taken = append(m.taken, m.NextSQE())
}

// wide takes an entry of 128 bytes whose second half begins with op. It cannot
// begin at the last slot, which becomes an entry of its own.
func (m *mixed) wide(op uint8) {
	if m.tail%8 == 7 {
		m.taken = append(m.taken, &m.sqes[7])
	}
	s := m.NextSQE128()
	*s, *SecondHalf(s) = SQE{Opcode: OpUringCmd128}, SQE{Opcode: op, Flags: 0xff}
	m.taken = append(m.taken, s)
}

// check compares what Before and Last find with what was taken, of which the
// kernel has consumed the first n.
func (m *mixed) check(t *testing.T, n int) {
	t.Helper()
	expect := func(what string, got, want *SQE) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %p, want %p", what, got, want)
		}
	}
	before := (*SQE)(nil)
	for _, s := range m.taken[n:] {
		expect("the entry before", m.Before(s), before)
		before = s
	}
	expect("the last entry", m.Last(), before)
}

// They are found whatever a second half looks like.
func TestBeforeAndLastOfMixedEntries(t *testing.T) {
	for _, op := range []uint8{OpNop, OpNop128, OpUringCmd128, 0xff} {
		m := newMixed()
		for round := range 50 { // from each slot of the queue
			m.check(t, 0)
			m.small()
			m.check(t, 0)
			m.wide(op)
			m.check(t, 0)
			m.wide(op)
			m.check(t, 0)
			m.small()
			m.check(t, 0)
			m.head = m.tail - 3 // all but the last two
			m.check(t, len(m.taken)-2)
			m.head, m.taken = m.tail, nil
			for range round % 3 { // begin at another slot
				m.NextSQE()
				m.head = m.tail
			}
		}
	}
}
