package command

import "time"

// A Monitor serves what a proxy tells of itself at an address, and Go's profiles if
// pprof is set, until stop is called. It returns where it listens. figures may be called
// from any goroutine, at any time; it does not disturb the proxy.
type Monitor func(address string, pprof bool, figures func() Figures) (at string, stop func(), err error)

// Figures are what a proxy has done until a moment ago. Counts never go back.
type Figures struct {
	Connections uint64
	Open        int
	Ended       map[string]uint64 // by how they ended
	Retries     uint64            // attempts to connect after which another one followed
	Received    uint64            // bytes
	Sent        uint64            // bytes
	Completions uint64
	Starved     uint64 // receives that found no buffer
	Held        uint64 // times that a fast sender was held back

	Buffers     int // that there are
	BuffersOut  int // of them lent: with bytes that were not sent
	SlicesOut   int // pieces of them
	BuffersUsed uint64
	CopiedOut   uint64 // bytes, so that the buffers of slow receivers came back
	CopyFull    uint64 // times that there was no memory for that
	CopyMemory  int    // bytes that copies take

	// Of connections that are over.
	Sends, ZeroCopy, Copied, Notifications uint64

	LinesLeft uint64          // of the log, left out
	Targets   map[string]bool // by name, whether it is up
	Draining  bool
	At        time.Time // when these were the figures
}

// publish hands the present figures to those who ask. The ring's goroutine calls it once
// in a while: it counts in plain integers, and nobody reads those.
func (p *proxy) publish() {
	if p.monitorAt == "" {
		return
	}
	s := p.br.Stats()
	starved, held := p.waits()
	f := Figures{
		Connections: p.stats.connections, Open: p.live, Ended: map[string]uint64{}, Retries: p.stats.retries,
		Received: p.stats.received, Sent: p.stats.sent, Completions: p.stats.completions,
		Starved: starved, Held: held,
		Buffers: p.br.Entries(), BuffersOut: p.br.Entries() - s.InKernel, SlicesOut: s.Lent, BuffersUsed: s.Buffers,
		CopiedOut: s.CopiedOut, CopyFull: s.CopyFull, CopyMemory: s.CopyMemory,
		Sends: p.stats.requests, ZeroCopy: p.stats.zc, Copied: p.stats.copied, Notifications: p.stats.notified,
		Draining: p.draining, At: time.Now(),
	}
	for kind, n := range p.stats.ends {
		f.Ended[endNames[kind]] = n
	}
	p.published.Store(&f)
}

// figures returns what was published last, and what any goroutine may look at.
func (p *proxy) figures() Figures {
	f := Figures{}
	if last := p.published.Load(); last != nil {
		f = *last
	}
	f.Targets = map[string]bool{}
	for _, t := range p.targets.list {
		f.Targets[t.name] = !t.down.Load()
	}
	f.LinesLeft = p.log.missing()
	return f
}

// startMonitor serves the figures, if anybody is to have them.
func (p *proxy) startMonitor() (stop func(), err error) {
	if p.monitorAt == "" {
		return func() {}, nil
	}
	p.publish()
	at, stop, err := monitor(p.monitorAt, p.pprof, p.figures)
	if err == nil {
		p.log.info("metrics", "address", at)
	}
	return stop, err
}
