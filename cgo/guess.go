//go:build linux && cgo

package cgo

// A guess says whether a wait will find its completions without sleeping. For a
// call that does not sleep Go's scheduler need not be told that the thread is in
// the kernel: that takes time twice, and it makes the scheduler's monitor look
// many times a millisecond whether a loop that is always in the kernel comes
// back.
type guess struct {
	off  bool
	left uint8 // calls to come that are taken to sleep
	wait uint8 // what left was set to by the last wrong guess
}

// submitAwake is submit for n completions that are there, or likely come of what
// is submitted. done is false if it must be waited for them; what it was asked
// to submit has been submitted all the same, if rc is above 0.
func (r *Ring) submitAwake(n uint32) (rc int, done bool) {
	head, tail := r.CQ()
	switch {
	case n == 0 || r.guess.off:
		return 0, false
	case tail-head >= n:
		return r.submitFor(0, true), true
	case r.guess.left > 0:
		r.guess.left--
		return 0, false // wrong before
	case r.SQReady() == 0 && r.SQFlags()&(SQCQOverflow|SQTaskrun) == 0:
		return 0, false // nothing that could bring any
	}
	if rc = r.submitFor(0, true); rc < 0 {
		return rc, true
	}
	if head, tail = r.CQ(); tail-head >= n || r.SQReady() > 0 {
		r.guess.wait = 0
		return rc, true
	}
	r.guess.wait = min(2*r.guess.wait+1, 127)
	r.guess.left = r.guess.wait
	return rc, false
}
