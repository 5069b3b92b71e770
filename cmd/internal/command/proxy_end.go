package command

import (
	"encoding/binary"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// concludeTime is how long a receiver may take nothing of what is left for it when
// the other side is gone.
const concludeTime = 5 * time.Second

// broke notes that one side of a pair has failed. What it has sent is there all the
// same, in its socket or in the proxy, and the other side gets it before both are
// reset: a server that answers, and closes without having read all, resets its
// connection right behind the answer.
func (p *proxy) broke(pr *pair, side int, err error) {
	if pr.state != forwarding {
		p.settle(pr)
		return
	}
	p.blame(pr, side, brokenKind(side), err)
	if pr.broken[side] = true; pr.broken[1-side] {
		p.reset(pr)
		return
	}
	if pr.deadline == 0 {
		pr.deadline = p.after(concludeTime)
	}
	to := &pr.flows[1-side]
	to.cut = true
	p.must(to.in.Cancel())
	p.conclude(pr)
}

// brokenKind is how a connection ends of which a side has failed: a client that
// leaves is no failure.
func brokenKind(side int) endKind {
	if side == clientSide {
		return endClient
	}
	return endTarget
}

// blame notes why the pair fails, unless that is known.
func (p *proxy) blame(pr *pair, side int, kind endKind, err error) {
	if pr.fail == nil {
		pr.fail = &failure{side, kind, err}
	}
}

// conclude goes on with a pair of which one side has failed: to receive what it has
// left, to send that, and to wait until it has arrived.
func (p *proxy) conclude(pr *pair) {
	if pr.state != forwarding {
		return
	}
	from := &pr.flows[0]
	if pr.broken[targetSide] {
		from = &pr.flows[1]
	}
	if !from.eof {
		return
	}
	if from.q != nil && (from.q.Queued() > 0 || from.q.InFlight()) {
		return
	}
	if from.asked {
		return // or about to be asked again
	}
	// A reset drops what the peer has not acknowledged.
	if s, ok := p.ask(pr, proxyUnsent, from.back); ok {
		from.asked = true
		s.PrepSIOCOUTQ(from.dst.fd)
	}
}

// acknowledged resets a pair of which everything has arrived, or asks again in a
// while.
func (p *proxy) acknowledged(pr *pair, c uring.CQE) {
	pause := unsentPause
	switch {
	case pr.state != forwarding:
		p.settle(pr)
		return
	case c.Res == 0:
		p.reset(pr)
		return
	case c.Res < 0:
		pause, pr.blind = blindPause, true
	}
	if s, ok := p.ask(pr, proxyUnsentLater, c.Token().Slot()&1); ok {
		s.PrepTimeout(pause, 0, 0)
	}
}

// askAgain asks what has arrived after a pause, of sockets that can tell.
func (p *proxy) askAgain(pr *pair, f *flow) {
	f.asked = false
	if pr.blind && pr.state == forwarding {
		p.reset(pr)
		return
	}
	p.conclude(pr)
	p.settle(pr)
}

const (
	// unsentPause is how long to wait for acknowledgements, which TCP delays.
	unsentPause = 5 * time.Millisecond
	// blindPause is that where the kernel does not tell of them: before Linux 6.7,
	// and of UNIX sockets.
	blindPause = 100 * time.Millisecond
)

// abort ends the pair at once because of err.
func (p *proxy) abort(pr *pair, side int, kind endKind, err error) {
	if pr.state >= closing {
		return
	}
	p.blame(pr, side, kind, err)
	p.reset(pr)
}

// reset ends the pair. Both peers get a reset, so that neither takes what it has for
// everything.
func (p *proxy) reset(pr *pair) {
	if pr.state >= closing {
		return
	}
	pr.state = closing
	for i := range pr.flows {
		if in := pr.flows[i].in; in != nil {
			p.must(in.Cancel())
		}
	}
	linger := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 1), 0)
	for i := range pr.ends {
		if !pr.ends[i].open {
			continue
		}
		p.setOption(pr, uint32(i), syscall.SOL_SOCKET, syscall.SO_LINGER, linger)
		if s, ok := p.ask(pr, proxyCancel, uint32(i)); ok {
			s.PrepCancelFD(pr.ends[i].fd, uring.CancelAll)
		}
	}
	p.settle(pr)
}
