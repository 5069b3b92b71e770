package uring

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unsafe"

	"github.com/uring-go/uring/internal/arena"
	"github.com/uring-go/uring/internal/invariant"
)

// Paths, names and vectors are as long as they are, and so do not fit into
// [SQE.slotMemory]. They are copied to memory on the Go heap that belongs to
// the entry's slot in the queue and is used again with it. That is long
// enough: the kernel copies them when it takes the entry, in the Submit call or
// in its own thread, and only then the slot becomes free.

// kept returns that memory, to write to from its start.
func (s SQE) kept() *[]byte {
	s.mustBe()
	r := s.ring
	i := r.q.Index(s.SQE)
	if n := len(r.kept); n <= i {
		r.kept = append(r.kept, make([][]byte, int(r.q.SQEntries())-n)...)
	}
	p := &r.kept[i]
	*p = (*p)[:0]
	return p
}

// keepPath keeps a path or name as a C string and returns its address.
func (s SQE) keepPath(path string) (uint64, error) {
	addr, _, err := s.keepPaths(path, "")
	return addr, err
}

// keepPaths keeps two.
func (s SQE) keepPaths(first, second string) (uint64, uint64, error) {
	for _, path := range []string{first, second} {
		if strings.IndexByte(path, 0) >= 0 {
			return 0, 0, s.refuse(fmt.Errorf("uring: %q has a zero byte in it, and would end there", path))
		}
	}
	p := s.kept()
	*p = append(append(*p, first...), 0)
	*p = append(append(*p, second...), 0)
	return arena.Addr(*p), arena.Addr((*p)[len(first)+1:]), nil
}

// keepIovecs keeps the struct iovec of each part and returns the address of
// the first.
func (s SQE) keepIovecs(parts [][]byte) (uint64, error) {
	if len(parts) > maxIovecs {
		return 0, s.refuse(fmt.Errorf("uring: %d parts, one request takes at most %d", len(parts), maxIovecs))
	}
	p := s.kept()
	for _, part := range parts {
		*p = binary.NativeEndian.AppendUint64(*p, s.address(part))
		*p = binary.NativeEndian.AppendUint64(*p, uint64(len(part)))
	}
	return arena.Addr(*p), nil
}

// length is how many bytes of p an entry can say. The kernel moves at most
// 2 GiB - 4096 in one request, and so the rest of p is left for another.
func length(p []byte) uint32 { return uint32(min(len(p), math.MaxInt32)) }

// address is for memory of the caller's, which must be there until the request
// is over: debug builds watch it.
func (s SQE) address(p []byte) uint64 {
	if len(p) > 0 {
		s.watch(unsafe.SliceData(p))
	}
	return address(p)
}

// addressOf is the same for what p points at.
func addressOf[T any](s SQE, p *T) uint64 {
	s.watch((*byte)(unsafe.Pointer(p)))
	return pointer(p)
}

// elements is the same for the elements of p.
func elements[T any](s SQE, p []T) uint64 {
	if len(p) > 0 {
		return addressOf(s, unsafe.SliceData(p))
	}
	return pointer(unsafe.SliceData(p))
}

// address returns the address of p for an entry.
func address(p []byte) uint64 {
	if neverOn {
		heap = p // makes the compiler allocate p on the heap
	}
	return arena.Addr(p)
}

// pointer returns the address of what p points at, for an entry.
func pointer[T any](p *T) uint64 {
	if neverOn {
		heap = p
	}
	return arena.AddrOf(p)
}

// slotMemory returns memory that belongs to the entry's slot in the queue. It
// is stable until the slot is used again, and so until the kernel has
// consumed the entry.
func (s SQE) slotMemory() []byte {
	s.mustBe()
	r := s.ring
	if r.scratch == nil {
		m, err := arena.Map(int(r.q.SQEntries())*slotSize, false)
		if err != nil {
			panic("uring: no memory for the parameters of requests: " + err.Error())
		}
		r.scratch = m
	}
	i := r.q.Index(s.SQE) * slotSize
	return r.scratch.Bytes()[i : i+slotSize : i+slotSize]
}

const slotSize = 128 // a struct sockaddr_storage; a timespec is smaller

// message returns the address of m's header, made ready for a request that uses the
// parts of m, or none of them. What that points at is watched
// too: a zero-copy send uses it for longer than m itself.
func (s SQE) message(m *Msg, parts bool) uint64 {
	m.ready(parts)
	if invariant.On {
		for _, part := range m.parts {
			s.address(part)
		}
		s.address(m.control)
	}
	return addressOf(s, &m.hdr)
}
