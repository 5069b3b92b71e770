package uring

import (
	"errors"
	"fmt"

	"github.com/uring-go/uring/cgo"
)

// A SendMode is how a [SendQueue] hands its bytes to the kernel.
type SendMode int

// The send modes.
const (
	// SendAuto is SendBundle where the kernel has it, else SendVectored.
	SendAuto SendMode = iota
	// SendBundle puts everything that waits into a ring of buffers, and one
	// request sends all of it. Linux 6.10.
	SendBundle
	// SendVectored sends what waits with one message of up to 1024 parts.
	SendVectored
	// SendProvided sends one piece a request, from a ring of buffers. Linux 6.10.
	SendProvided
	// SendPlain sends one piece a request.
	SendPlain
	// SendZC sends one piece a request without copying it. Linux 6.0.
	SendZC
	// SendZCGather sends up to 1024 pieces a request without copying them, as
	// long as they lie in the same registered memory. That needs Linux 6.15;
	// on older kernels it works as SendZC does.
	SendZCGather
)

var sendModeNames = [...]string{"auto", "bundle", "vectored", "provided", "plain", "zc", "zc-gather"}

// String returns "bundle", "zc-gather" and so on.
func (m SendMode) String() string {
	if m < 0 || int(m) >= len(sendModeNames) {
		return fmt.Sprintf("SendMode(%d)", int(m))
	}
	return sendModeNames[m]
}

func (m SendMode) provided() bool { return m == SendBundle || m == SendProvided }

func (m SendMode) zeroCopy() bool { return m == SendZC || m == SendZCGather }

// have returns nil if the kernel can do it.
func (m SendMode) have() error {
	switch m {
	case SendBundle:
		return HaveSendBundles()
	case SendProvided:
		return HaveSendProvided()
	case SendZC, SendZCGather:
		return HaveSendZC()
	case SendAuto, SendVectored, SendPlain:
		return nil
	}
	return fmt.Errorf("uring: no send mode %d", int(m))
}

// registerGroup registers the entries as a buffer group that nothing uses. Of
// groups that PrepProvideBuffers made only the kernel knows.
func (q *SendQueue) registerGroup() error {
	for range 1 << 16 {
		group, err := q.ring.freeGroup()
		if err != nil {
			return err
		}
		rc := settled(func() int {
			return q.ring.drv.RegisterBufRing(q.entries.Pointer(), uint32(q.cfg.Entries), uint32(group), 0, 0)
		})
		if q.ring.exists(rc) {
			continue
		}
		if err := check(opRegisterBufRing, rc); err != nil {
			return err
		}
		q.group = group
		q.ring.groups[group] = struct{}{}
		return nil
	}
	return errNoGroup
}

var errNoGroup = errors.New("uring: all 65536 buffer groups of the ring are in use")

// freeGroup finds a buffer group that nothing uses, from the top down.
func (r *Ring) freeGroup() (uint16, error) {
	for range 1 << 16 {
		r.freeTop--
		if _, taken := r.groups[r.freeTop]; !taken {
			return r.freeTop, nil
		}
	}
	return 0, errNoGroup
}

// prepareProvided sends from the ring of buffers, after filling it up.
func (q *SendQueue) prepareProvided(s SQE, limit int) {
	q.publish()
	q.fromRing = true
	q.flightEnd = q.out.sent + 1
	part := 0 // all
	if limit > 0 {
		part = min(limit, int(q.out.at(q.out.sent).n))
	}
	s.prep(cgo.OpSend, q.fd, 0, uint32(part), 0)
	s.Flags |= cgo.SQEBufferSelect
	s.BufIndex = q.group
	s.OpFlags = sendFlags
	if q.mode == SendBundle && limit == 0 {
		// A bundle waits for all by itself, and a length would only limit its
		// first round.
		s.OpFlags = cgo.MsgNoSignal
		s.IOPrio = cgo.RecvSendBundle
		q.flightEnd = q.out.armed
	}
}

// prepareFirst sends the first piece, or limit bytes of it.
func (q *SendQueue) prepareFirst(s SQE, op uint8, limit int) {
	p := q.out.at(q.out.sent)
	s.prep(op, q.fd, p.addr+uint64(q.out.off), uint32(clip(int(p.n-q.out.off), limit)), 0)
	s.OpFlags = sendFlags
	q.flightEnd = q.out.sent + 1
}

// clip returns n, or limit if that is less and not 0.
func clip(n, limit int) int {
	if limit > 0 {
		return min(n, limit)
	}
	return n
}

// publish puts pieces into the ring of buffers until it is full.
func (q *SendQueue) publish() {
	room := uint32(q.cfg.Entries) - (q.out.armed - q.out.sent)
	n := min(q.out.tail-q.out.armed, room)
	if n == 0 {
		return
	}
	mask := uint32(q.cfg.Entries - 1)
	slots := q.ring.slots[:0]
	for pos := q.out.armed; pos != q.out.armed+n; pos++ {
		p := q.out.at(pos)
		slots = append(slots, cgo.Slot{Addr: p.addr, Len: p.n, BID: sendBids | uint16(pos&mask)})
	}
	cgo.Refill(q.entries.Pointer(), mask, slots)
	q.ring.slots = slots
	q.out.armed += n
}
