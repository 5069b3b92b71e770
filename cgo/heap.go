//go:build linux && cgo

package cgo

// static void uring_ignore(void *p) { (void)p; }
import "C"

import (
	"sync"
	"unsafe"
)

// onHeap says for pieces of the address space whether they are an arena of the
// Go heap. An arena has 64 MiB, and is never given back.
var onHeap = struct {
	sync.Mutex
	piece map[uintptr]bool
}{piece: map[uintptr]bool{}}

const pieceShift = 26

// OnGoHeap reports whether p points into the Go heap, where the collector frees
// what nothing leads to, and not at a variable of a package, or at memory that
// was mapped, or allocated in C. It is for debug builds.
//
// Only cgo tells: it panics when C gets a pointer to memory with a pointer into
// the Go heap. With GODEBUG=cgocheck=0 it does not, and nothing is there.
func OnGoHeap(p *byte) bool {
	piece := uintptr(unsafe.Pointer(p)) >> pieceShift
	onHeap.Lock()
	defer onHeap.Unlock()
	on, known := onHeap.piece[piece]
	if !known {
		on = cgoPanics(p)
		onHeap.piece[piece] = on
	}
	return on
}

func cgoPanics(p *byte) (does bool) {
	defer func() { does = recover() != nil }()
	C.uring_ignore(unsafe.Pointer(&struct{ p *byte }{p}))
	return false
}
