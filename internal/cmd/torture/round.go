//go:build linux

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// patience is how long a round waits for what must happen.
const patience = 30 * time.Second

// The kinds of user data.
const (
	kindQueue   = 1
	kindRequest = 2
)

// A round is a ring with buffer rings and connections, to which a program does
// things in an order that the seed decides. It uses what everybody can use.
type round struct {
	*rand.Rand
	seed, number uint64
	kind         string
	drains       bool // requests wait for all that began before them
	ring         *uring.Ring
	seen         local
	groups       []*group
	sources      []*source
	held         []*holding
	late         []uring.CQE // taken from the queue and not handled yet
	running      map[uint64]*request
	requests     uint32
	slots        uint32
	file         *os.File
	closedPort   syscall.Sockaddr
	log          []string // the last things that were done
}

// A fault is what the round was there to find.
type fault struct{ error }

func (r *round) fail(format string, args ...any) {
	panic(fault{fmt.Errorf(format, args...)})
}

func (r *round) must(err error) {
	if err != nil {
		r.fail("%w", err)
	}
}

// did keeps what was done last for the report of a fault.
func (r *round) did(format string, args ...any) {
	if len(r.log) >= 60 {
		r.log = append(r.log[:0], r.log[len(r.log)-40:]...)
	}
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

// ringKinds are the ways in which requests reach the kernel and completions come
// back.
var ringKinds = []struct {
	name   string
	config uring.Config
}{
	{"plain", uring.Config{}},
	{"coop", uring.Config{Flags: uring.SetupSubmitAll | uring.SetupCoopTaskrun}},
	{"single", uring.Config{Flags: uring.SetupSingleIssuer}},
	{"defer", uring.Config{Flags: uring.SetupSingleIssuer | uring.SetupDeferTaskrun}},
	{"sqpoll", uring.Config{Flags: uring.SetupSQPoll, SQThreadIdle: time.Millisecond}},
	{"no array", uring.Config{Flags: uring.SetupNoSQArray}},
	{"big", uring.Config{Flags: uring.SetupSQE128 | uring.SetupCQE32}},
}

// play runs a round to its end. The error says what is wrong and how it came to be.
func play(seed, number uint64, steps int, total *tally) (err error) {
	r := &round{
		Rand: rand.New(rand.NewPCG(seed, number)), seed: seed, number: number,
		seen: local{}, running: map[uint64]*request{},
	}
	k := ringKinds[r.IntN(len(ringKinds))]
	r.kind = k.name
	c := k.config
	c.Entries, c.CQEntries = 64, 1024
	if r.IntN(3) == 0 {
		c.Entries, c.CQEntries = 8, 8
		r.kind += ", small"
	}
	if r.IntN(6) == 0 {
		r.drains = true
		r.kind += ", drains"
	}
	defer func() { total.add(r.seen) }()
	body := func(ring *uring.Ring) (err error) {
		r.ring = ring
		defer r.cleanUp(&err)
		defer r.report(&err)
		r.run(steps)
		return nil
	}
	if c.Flags&uring.SetupSingleIssuer != 0 {
		if c.Flags&uring.SetupDeferTaskrun != 0 && r.IntN(2) == 0 {
			return uring.Serve(c, body)
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	ring, err := uring.New(c)
	if err != nil {
		return err
	}
	return body(ring)
}

// report turns a fault into an error that says what was going on.
func (r *round) report(err *error) {
	switch p := recover().(type) {
	case nil:
	case fault:
		*err = fmt.Errorf("-seed %d -round %d, ring %s: %w\n%s\n%s", r.seed, r.number, r.kind, p.error, r.state(), strings.Join(r.log, "\n"))
	default:
		panic(p)
	}
}

func (r *round) cleanUp(err *error) {
	*err = errors.Join(*err, r.close())
	for _, h := range r.held {
		_ = h.Release()
	}
	for _, s := range r.sources {
		s.peer.hangUp()
		syscall.Close(s.near)
	}
	if r.file != nil {
		r.file.Close()
	}
}

func (r *round) state() string {
	var b strings.Builder
	for _, g := range r.groups {
		fmt.Fprintf(&b, "group %d: %+v: %+v, closing %v\n", g.Group(), g.config, g.Stats(), g.closing)
	}
	for _, s := range r.sources {
		p := s.peer
		fmt.Fprintf(&b, "source %d, %s: at %d of %d, %d requests, end seen %v, broken %v; its peer: ending %d, ended %v, urgent bytes %v, to come %d",
			s.id, s.kind, s.pos, p.sent.Load(), s.requests, s.eof, s.broken, p.ending, p.ended.Load(), p.urgent, p.owed())
		if s.queue != nil {
			fmt.Fprintf(&b, "; queue: %v, %d waiting, in flight %v, unnotified %d, %v", s.queue.Mode(), s.queue.Queued(), s.queue.InFlight(), s.queue.Unnotified(), s.queue.Err())
		}
		b.WriteByte('\n')
	}
	for data, q := range r.running {
		fmt.Fprintf(&b, "running: %#x %s\n", data, q.form)
	}
	fmt.Fprintf(&b, "late %d, held %d, ready %d, overflow %v", len(r.late), len(r.held), r.ring.Ready(), r.ring.Overflowed())
	info, err := r.fdinfo()
	fmt.Fprintf(&b, "\n%s%v", info, err)
	return b.String()
}

// fdinfo is what the kernel says of the ring.
func (r *round) fdinfo() ([]byte, error) {
	return os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", r.ring.FD()))
}

func (r *round) run(steps int) {
	var err error
	r.file, err = os.CreateTemp("", "torture")
	r.must(err)
	r.must(os.Remove(r.file.Name()))
	r.closedPort = closedPort(r)
	for range 1 + r.IntN(4) {
		r.openGroup()
	}
	for range 1 + r.IntN(8) {
		r.openSource()
	}
	for range steps/2 + r.IntN(steps) {
		r.step()
	}
	if r.IntN(2) == 0 {
		r.closeNow()
	} else {
		r.settle()
	}
}

func closedPort(r *round) syscall.Sockaddr {
	fd, _, err := bound(syscall.SOCK_DGRAM)
	r.must(err)
	defer syscall.Close(fd)
	addr, err := syscall.Getsockname(fd)
	r.must(err)
	return addr
}

func (r *round) step() {
	s := r.sources[r.IntN(len(r.sources))]
	switch r.IntN(35) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		r.receiveFrom(s)
	case 8, 9, 10, 11, 12, 13:
		r.submit()
	case 14, 15, 16, 17, 18:
		r.fetch()
	case 19, 20:
		r.handleLate(1 + r.IntN(20))
	case 21, 22:
		r.release(r.IntN(len(r.held) + 1))
	case 23:
		r.cancel(s)
	case 24, 25:
		r.write(s)
	case 26, 27:
		r.flush(s)
	case 28:
		r.sendHeld(s)
	case 29:
		r.renew()
	case 30:
		r.reopen(s)
	case 31:
		r.poke(s)
	case 32:
		r.share()
	case 33:
		if r.IntN(4) == 0 {
			time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
		}
		r.checkHeld()
	case 34:
		if r.drains && r.IntN(8) == 0 {
			r.drain()
		}
	}
	if s.peer.failure() != nil {
		r.must(s.peer.failure())
	}
}

// submit lets the kernel have what is queued, and work.
func (r *round) submit() {
	var err error
	switch r.IntN(4) {
	case 0:
		_, err = r.ring.Submit()
	case 1:
		err = r.ring.GetEvents()
	default:
		_, err = r.ring.SubmitAndWaitTimeout(1, time.Duration(r.IntN(1000))*time.Microsecond)
	}
	r.mayBeFull(err)
}

// mayBeFull accepts errors of a ring whose completions have no room.
func (r *round) mayBeFull(err error) {
	if err != nil && !errors.Is(err, syscall.EBUSY) && !errors.Is(err, os.ErrDeadlineExceeded) {
		r.must(err)
	}
}

// fetch takes completions in one of the ways that there are. They are handled in
// order: after those that were taken before and not handled yet.
func (r *round) fetch() {
	var batch [32]uring.CQE
	n := 1 + r.IntN(len(batch))
	switch r.IntN(4) {
	case 0: // take now, handle later
		n = r.ring.Peek(batch[:n])
		r.ring.Advance(n)
		r.late = append(r.late, batch[:n]...)
	case 1: // handle, then take
		r.handleLate(len(r.late))
		r.ring.Peek(batch[:1+r.IntN(n)]) // what it shows, it shows again
		n = r.ring.Peek(batch[:n])
		for _, c := range batch[:n] {
			r.complete(c)
		}
		r.ring.Advance(n)
	default:
		r.handleLate(len(r.late))
		for c := range r.ring.Completions() {
			r.complete(c)
			if n--; n == 0 {
				break
			}
		}
	}
}

func (r *round) handleLate(n int) {
	for ; n > 0 && len(r.late) > 0; n-- {
		c := r.late[0]
		r.late = r.late[1:]
		r.complete(c)
	}
}

// A request is one that runs.
type request struct {
	form      string
	source    *source
	group     *group
	plain     []byte // of a receive without a buffer ring
	n         int    // the most bytes that a completion may bring, or 0
	msg       *uring.Msg
	now       bool // it does not wait
	once      bool // it has one completion
	late      bool // it starts behind one that a worker thread carries out
	pollFirst bool
}

// entry takes an entry for a request.
func (r *round) entry() (uring.SQE, bool) {
	if err := r.ring.MakeRoom(3); err != nil {
		r.mayBeFull(err)
		return uring.SQE{}, false
	}
	s, err := r.ring.NextSQE()
	r.must(err)
	return s, true
}

// begins notes that a request was given to the kernel by s.
func (r *round) begins(s uring.SQE, q *request) {
	r.requests++
	s.UserData = uint64(uring.MakeToken(kindRequest, 0, r.requests))
	r.running[s.UserData] = q
	if q.source != nil {
		q.source.requests++
	}
	if q.group != nil {
		q.group.requests++
	}
}

func (r *round) complete(c uring.CQE) {
	if c.Token().Kind() == kindQueue {
		r.sent(c)
		return
	}
	q := r.running[c.UserData]
	if q == nil {
		r.fail("completion of a request that does not run: %v", c)
	}
	r.count(q.form)
	if !c.More() {
		delete(r.running, c.UserData)
		if q.source != nil {
			q.source.requests--
		}
		if q.group != nil {
			q.group.requests--
		}
	} else if q.once {
		r.fail("%s: more than one completion: %v", q.form, c)
	}
	switch {
	case q.plain != nil:
		r.receivedPlain(q, c)
	case q.group != nil:
		r.received(q, c)
	}
}

func (r *round) count(what string) {
	r.seen["completions"]++
	r.seen["ring: "+r.kind]++
	r.seen["request: "+what]++
}

// cancel ends requests in one of the ways that there are.
func (r *round) cancel(s *source) {
	all := r.IntN(2) == 0
	flags := uring.CancelFlags(0)
	if all {
		flags = uring.CancelAll
	}
	data := uint64(uring.MakeToken(kindRequest, 0, r.requests-uint32(r.IntN(20)))) // may be over
	if how := r.IntN(6); how < 3 || r.drains {
		m := uring.Match{Any: r.IntN(8) == 0}
		fd := uring.FD(s.near)
		if !m.Any {
			if how&1 == 0 {
				m.UserData = &data
			} else {
				m.FD = &fd
			}
		}
		r.syncCancel(m, all)
		return
	}
	e, ok := r.entry()
	if !ok {
		return
	}
	switch r.IntN(8) {
	case 0:
		e.PrepCancel(0, uring.CancelAny|uring.CancelAll)
	case 1, 2, 3:
		e.PrepCancel(data, 0)
	default:
		e.PrepCancelFD(uring.FD(s.near), flags)
	}
	r.begins(e, &request{form: "cancel", once: true})
	r.did("cancel of source %d", s.id)
}

// syncCancel ends requests from outside of the queue. The kernel does not find all that
// a worker has.
func (r *round) syncCancel(m uring.Match, all bool) {
	n, err := r.ring.SyncCancel(m, all, 5*time.Second)
	if err != nil && !errors.Is(err, syscall.ENOENT) && !errors.Is(err, uring.ErrBusy) {
		r.mayBeFull(err)
	}
	r.did("sync cancel %+v: %d, %v", m, n, err)
}

// poke gives a UDP socket an error, in its queue and as the next result.
func (r *round) poke(s *source) {
	switch {
	case s.kind == "udp":
		_ = syscall.Sendto(s.near, []byte("?"), 0, r.closedPort)
	case !s.stamped:
		return
	}
	if r.IntN(10) == 0 {
		s.emptyErrors()
	}
	r.seen["errors queued"]++
}
