//go:build linux && cgo

package cgo

// static void uring_ignore(void *p) { (void)p; }
import "C"

import (
	"sync"
	"unsafe"
)

// onHeap records for each 64 MiB of the address space whether it is an arena of
// the Go heap. Arenas are never given back.
var onHeap = struct {
	sync.Mutex
	piece map[uintptr]bool
}{piece: map[uintptr]bool{}}

const pieceShift = 26

// OnGoHeap reports whether p points into the Go heap, where the collector frees
// what nothing leads to. Variables of a package, mapped memory and memory from
// C are not part of it. It is for debug builds.
//
// The answer comes from a check of cgo, which panics when C gets a pointer to
// memory that holds a pointer into the Go heap. GODEBUG=cgocheck=0 switches the
// check off; OnGoHeap then always returns false.
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
