//go:build linux && cgo

package cgo

// Go's scheduler is told of a call into the kernel unless the call is certain to be
// short. Telling costs some 40 ns. But a call that the scheduler does not know of
// keeps its P: until it is over, garbage collection cannot stop the world, and the
// goroutines that are queued there do not run.
//
// Nothing shows beforehand how long a call will take. In it the kernel copies from
// the page cache, sends through the whole loopback device, and waits for memory or
// for a free tag of a disk; the first use of a page costs more than the copy. The
// same call also does the completion work that waits, such as receiving. So only
// requests that move no data are taken to be short. All others cost so much more
// than 40 ns that telling does not matter.

// briefEntries is how many such requests a short call submits at most. With more of
// them telling the scheduler costs 1 % at most.
const briefEntries = 64

// isBrief lists the requests that the kernel submits in well under a
// microsecond: they move no data, open and close nothing, and look through no
// list.
var isBrief = [256]bool{
	OpNop: true, OpPollAdd: true, OpPollRemove: true, OpTimeout: true, OpLinkTimeout: true, OpMsgRing: true,
}

// brief reports whether a call that only submits the n entries taken last is
// certain to be short.
func (r *Ring) brief(n uint32) bool {
	if r.told || n > briefEntries || r.SQFlags()&(SQCQOverflow|SQTaskrun) != 0 {
		return false
	}
	tail := *r.sqTail
	for i := tail - n; i != tail; i++ {
		if !isBrief[r.sqe(i).Opcode] {
			return false
		}
	}
	return true
}
