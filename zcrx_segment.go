package uring

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/uring-go/uring/cgo"
)

// A ZCRXSegment is a piece of received data in the memory of a [ZCRX]. It is a
// value; the bytes are the program's until its Release.
type ZCRXSegment struct {
	zcrx *ZCRX
	off  uint64 // in the area
	n    uint32
}

// Segment finds the data that a completion of [SQE.PrepRecvZCMultishot]
// brings: second is what [Ring.CompletionsBig] yields with it. It returns the
// zero ZCRXSegment for one without data: the end, or an error, see [CQE.Err].
// Each completion must be looked at once. One whose data does not lie in the
// memory gives [ErrBadCompletion].
func (z *ZCRX) Segment(c CQE, second [2]uint64) (ZCRXSegment, error) {
	if c.Res <= 0 {
		return ZCRXSegment{}, nil
	}
	s := ZCRXSegment{zcrx: z, off: second[0] &^ cgo.ZCRXAreaMask, n: uint32(c.Res)}
	switch {
	case z.ring.closed:
		return ZCRXSegment{}, ErrClosed
	case z.ring.flags&SetupCQEMixed != 0 && !c.Big():
		return ZCRXSegment{}, fmt.Errorf("%w: %d bytes of a zero-copy receive, and it does not say where", ErrBadCompletion, s.n)
	case second[0]&cgo.ZCRXAreaMask != z.refill.token:
		return ZCRXSegment{}, fmt.Errorf("%w: data in area %d, which is not this one", ErrBadCompletion, second[0]>>cgo.ZCRXAreaShift)
	case s.off+uint64(s.n) > z.size:
		return ZCRXSegment{}, fmt.Errorf("%w: %d bytes at %d of an area of %d", ErrBadCompletion, s.n, s.off, z.size)
	}
	z.lent[s.buffer()]++
	return s, nil
}

// buffer is the number of the buffer that the segment starts in.
func (s ZCRXSegment) buffer() uint64 { return s.off >> s.zcrx.shift }

// Bytes returns the data, until Release and as long as the ring is open: nil
// for the zero ZCRXSegment and for data in a [DMABuf].
func (s ZCRXSegment) Bytes() []byte {
	if s.n == 0 || s.zcrx.memory == nil || s.zcrx.ring.closed {
		return nil
	}
	return s.zcrx.memory.Bytes()[s.off : s.off+uint64(s.n)]
}

// Offset returns where in the memory the data starts.
func (s ZCRXSegment) Offset() int { return int(s.off) }

// Len returns how many bytes there are.
func (s ZCRXSegment) Len() int { return int(s.n) }

// Release gives the segment's buffer back, see [RefillRing.Return]. It does
// nothing for the zero ZCRXSegment.
func (s ZCRXSegment) Release() error {
	if s.n == 0 {
		return nil
	}
	_, err := s.zcrx.refill.Return(s)
	return err
}

// A RefillRing is how the buffers of a [ZCRX] go back to the kernel: a queue in
// memory that both share, without system calls. The kernel takes entries when
// it needs buffers.
type RefillRing struct {
	zcrx  *ZCRX
	ring  cgo.RefillRing
	token uint64 // the area's
}

// ErrRefillFull: the refill ring has no room. The segment is still lent; the
// kernel makes room when it needs buffers, and [ZCRX.Flush] makes it do so.
var ErrRefillFull = errors.New("uring: refill ring full; ZCRX.Flush makes room")

const refillEntrySize = int(unsafe.Sizeof(cgo.ZCRXRQE{}))

// Entries returns the ring's length.
func (q *RefillRing) Entries() int { return int(q.ring.Entries()) }

// Space returns how many entries are free. It reads the kernel's position as C
// programs do by hand, with io_uring_smp_load_acquire.
func (q *RefillRing) Space() int {
	if q.ring.Entries() == 0 {
		return 0 // the ring is closed
	}
	return int(q.ring.Space())
}

// Return gives the buffers of segments back, all at once, and returns how many
// it took: it stops with [ErrRefillFull], or at one that is not lent with
// [ErrReleased]. The rest is still lent. It shows the kernel the new entries as
// C programs do by hand, with io_uring_smp_store_release.
func (q *RefillRing) Return(segments ...ZCRXSegment) (int, error) {
	if q.zcrx.ring.closed {
		return 0, ErrClosed
	}
	for i, s := range segments {
		if err := q.put(s); err != nil {
			q.ring.Publish()
			return i, err
		}
	}
	q.ring.Publish()
	return len(segments), nil
}

func (q *RefillRing) put(s ZCRXSegment) error {
	switch {
	case s.zcrx != q.zcrx:
		return errors.New("uring: a segment goes back to the ZCRX that it comes from")
	case q.zcrx.lent[s.buffer()] == 0:
		return ErrReleased
	case q.ring.Space() == 0:
		return ErrRefillFull
	}
	q.zcrx.lent[s.buffer()]--
	q.ring.Put(s.off|q.token, s.n)
	return nil
}
