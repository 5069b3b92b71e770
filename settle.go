package uring

import (
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uring-go/uring/cgo"
)

// The kernel takes a closed ring apart in the background. Until it has, up to
// tenths of a second later, the ring's memory and what was registered with it
// still count against RLIMIT_MEMLOCK: a program that opens a ring for each
// piece of work would be told that the limit is too low. It only has to wait.
var settleTime = time.Second // tests with a kernel of their own set it to 0

const settlePause = time.Millisecond

// lastClosed is when the process last closed a ring, in nanoseconds since
// started. 0 is never.
var (
	started    = time.Now()
	lastClosed atomic.Int64
)

// openRaw opens a ring, which is closed by closeRaw. It returns what the kernel
// made of the parameters.
func openRaw(entries uint32, asked cgo.Params, memory []byte) (raw *cgo.Ring, p cgo.Params, rc int) {
	rc = settled(func() (rc int) {
		p = asked
		raw, rc = cgo.Open(entries, &p, memory)
		return rc
	})
	return raw, p, rc
}

// setupRaw opens a ring without mapping it, and returns its descriptor.
func setupRaw(entries uint32, p cgo.Params, raw *cgo.RawParams) int {
	return settled(func() int { return cgo.Setup(entries, p, raw) })
}

// closeRaw closes a ring and frees its memory: no ring is closed otherwise, or
// those opened soon after would not wait for what it gives back.
func closeRaw(ring interface{ Exit() }) {
	ring.Exit()
	lastClosed.Store(int64(time.Since(started)))
}

// settled makes a call that takes locked memory, and makes it again while it
// finds none and the memory of a closed ring may still be on its way back.
func settled(call func() int) int {
	rc := call()
	for rc == -int(syscall.ENOMEM) && settling() {
		time.Sleep(settlePause)
		rc = call()
	}
	return rc
}

func settling() bool {
	at := lastClosed.Load()
	return at != 0 && time.Since(started)-time.Duration(at) < settleTime
}
