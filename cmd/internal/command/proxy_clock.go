package command

import (
	"errors"
	"fmt"
	"time"

	"github.com/uring-go/uring"
)

// The clock looks at all connections once in a while. That is cheaper than a
// timeout for each request, and as exact as anybody needs.
const (
	clockEvery    = 250 * time.Millisecond
	clockShortest = 5 * time.Millisecond
)

// An instant is a time since the proxy started, and 0 is none.
type instant time.Duration

func (p *proxy) time() instant { return instant(time.Since(p.started)) + 1 }

// after is the instant that lies d ahead, or none if d is 0.
func (p *proxy) after(d time.Duration) instant {
	if d == 0 {
		return 0
	}
	return p.time() + instant(d)
}

// armClock starts the clock while there are connections.
func (p *proxy) armClock() error {
	if p.ticking || p.live == 0 {
		return nil
	}
	s, err := p.ring.Request(uring.MakeToken(proxyClock, 0, 0))
	if err != nil {
		return err
	}
	every := clockEvery
	for _, d := range []time.Duration{p.connectTime, p.idleTime} {
		if d > 0 {
			every = min(every, max(d/8, clockShortest))
		}
	}
	s.PrepTimeout(every, 0, 0)
	p.ticking = true
	return nil
}

// tick ends what takes too long.
func (p *proxy) tick() {
	p.ticking = false
	p.now = p.time()
	for _, pr := range p.pairs {
		if pr != nil {
			p.check(pr)
		}
	}
	p.publish()
	p.must(p.armClock())
}

func (p *proxy) check(pr *pair) {
	late := pr.deadline != 0 && p.now > pr.deadline
	switch pr.state {
	case greeting0:
		if late {
			p.abort(pr, clientSide, endGreeting, fmt.Errorf("no header of the PROXY protocol in %v", p.connectTime))
		}
	case connecting:
		p.watchClient(pr)
		if late && !pr.timedOut {
			pr.timedOut = true
			if s, ok := p.ask(pr, proxyCancel, 0); ok {
				s.PrepCancel(uint64(uring.MakeToken(proxyConnect, 0, pr.id<<1)), 0)
			}
		}
	case forwarding:
		switch {
		case pr.fail != nil && late:
			p.reset(pr)
		case p.idleTime > 0 && p.now-pr.touched > instant(p.idleTime):
			p.abort(pr, clientSide, endIdle, errIdle)
		}
	}
}

var errIdle = errors.New("nothing moved for too long")
