// Package arena maps memory outside the Go heap. The collector neither moves,
// scans nor frees it, so its addresses may be given to the kernel for as long
// as it is mapped.
package arena

import "unsafe"

// A Mapping is one anonymous, zeroed mapping.
type Mapping struct {
	mem      []byte
	huge     bool
	borrowed bool // not to be unmapped
}

// Borrow returns a Mapping of memory that something else has mapped, and unmaps.
func Borrow(p []byte, huge bool) *Mapping { return &Mapping{mem: p, huge: huge, borrowed: true} }

// Bytes returns the memory. It must not be touched after Unmap.
func (m *Mapping) Bytes() []byte { return m.mem }

// Huge reports whether the mapping consists of huge pages.
func (m *Mapping) Huge() bool { return m.huge }

// Len returns the length in bytes.
func (m *Mapping) Len() int { return len(m.mem) }

// Pointer returns the start of the memory.
func (m *Mapping) Pointer() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(m.mem)) }

// Addr returns the address of the first byte, for the kernel.
func (m *Mapping) Addr() uint64 { return Addr(m.mem) }

// Addr returns the address of the first byte of p, for the kernel. The caller
// must keep p alive for as long as the kernel uses it.
func Addr(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }

// AddrOf returns the address of what p points at, as Addr does.
func AddrOf[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }
