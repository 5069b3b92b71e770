package uring

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/uring-go/uring/internal/arena"
)

// Paths, names and vectors are as long as they are, and so do not fit into
// [SQE.slotMemory]. They are copied to memory on the Go heap that belongs to
// the entry's place in the queue and is used again with it. That is long
// enough: the kernel copies them when it takes the entry, in the Submit call or
// in its own thread, and only then the place becomes free.

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
