//go:build linux

package uring

import (
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

// both waits for two completions and returns their results by user data.
func (p *trip) both() map[uint64]int32 {
	p.Helper()
	results := map[uint64]int32{}
	for range 2 {
		c := p.wait()
		results[c.UserData] = c.Res
	}
	return results
}

// start submits a request with this user data.
func (p *trip) start(userData uint64, prep func(SQE) error) {
	p.Helper()
	s := p.next()
	p.must(prep(s))
	s.UserData = userData
	_, err := p.Submit()
	p.must(err)
}

const (
	errCanceled = -int32(syscall.ECANCELED)
	errTime     = -int32(syscall.ETIME)
)

func TestTimeoutsAtAPointInTime(t *testing.T) {
	p := newTrip(t, Config{})
	const ahead = 30 * time.Millisecond
	for _, zero := range []struct {
		name  string
		clock int
		flags TimeoutFlags
	}{{"monotonic", 1, 0}, {"boottime", 7, TimeoutBoottime}, {"realtime", 0, TimeoutRealtime}} {
		began := time.Now()
		now := readClock(t, zero.clock)
		p.fails(syscall.ETIME, noErr(func(s SQE) { s.PrepTimeout(now+ahead, 0, zero.flags|TimeoutAbs) }))
		if took := time.Since(began); took < ahead*9/10 || took > ahead+time.Second {
			t.Errorf("%s: it took %v", zero.name, took)
		}
		p.fails(syscall.ETIME, noErr(func(s SQE) { s.PrepTimeout(now-time.Second, 0, zero.flags|TimeoutAbs) }))
	}
	at := time.Now().Add(ahead)
	p.fails(syscall.ETIME, noErr(func(s SQE) {
		s.PrepTimeout(time.Duration(at.UnixNano()), 0, TimeoutRealtime|TimeoutAbs)
	}))
	if late := time.Since(at); late < 0 || late > time.Second {
		t.Errorf("%v after the point in time", late)
	}
}

func TestTimeoutRemove(t *testing.T) {
	p := newTrip(t, Config{})
	p.start(1, noErr(func(s SQE) { s.PrepTimeout(time.Hour, 0, 0) }))
	p.start(2, noErr(func(s SQE) { s.PrepTimeoutRemove(1) }))
	if diff := cmp.Diff(map[uint64]int32{1: errCanceled, 2: 0}, p.both()); diff != "" {
		t.Error(diff)
	}
	p.fails(syscall.ENOENT, noErr(func(s SQE) { s.PrepTimeoutRemove(1) }))
}

func TestTimeoutUpdate(t *testing.T) {
	p := newTrip(t, Config{})
	for name, update := range map[string]func(SQE){
		"relative": func(s SQE) { s.PrepTimeoutUpdate(1, time.Millisecond, 0) },
		"absolute": func(s SQE) { s.PrepTimeoutUpdate(1, readClock(t, 1)+time.Millisecond, TimeoutAbs) },
	} {
		p.start(1, noErr(func(s SQE) { s.PrepTimeout(time.Hour, 0, 0) }))
		p.start(2, noErr(update))
		if diff := cmp.Diff(map[uint64]int32{1: errTime, 2: 0}, p.both()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	p.fails(syscall.ENOENT, noErr(func(s SQE) { s.PrepTimeoutUpdate(1, 0, 0) }))
}

func TestLinkTimeoutUpdate(t *testing.T) {
	p := newTrip(t, Config{})
	in, _ := p.pipe()
	s := p.next()
	s.PrepRead(in, held(make([]byte, 1)), CurrentOffset)
	s.UserData = 1
	p.must(s.SetFlags(Link))
	p.start(2, noErr(func(s SQE) { s.PrepLinkTimeout(time.Hour, 0) }))
	p.start(3, noErr(func(s SQE) { s.PrepLinkTimeoutUpdate(2, time.Millisecond, 0) }))
	results := p.both()
	for id, res := range p.one() {
		results[id] = res
	}
	if diff := cmp.Diff(map[uint64]int32{1: errCanceled, 2: errTime, 3: 0}, results); diff != "" {
		t.Error(diff)
	}
}

// one waits for one completion, as both does for two.
func (p *trip) one() map[uint64]int32 {
	p.Helper()
	c := p.wait()
	return map[uint64]int32{c.UserData: c.Res}
}

func TestPollUpdate(t *testing.T) {
	p := newTrip(t, Config{})
	in, out := p.pipe()
	const readable, urgent = 1, 2 // POLLIN, POLLPRI
	p.start(1, noErr(func(s SQE) { s.PrepPollAdd(in, urgent) }))
	p.start(2, noErr(func(s SQE) { s.PrepPollUpdate(1, 9, 0, PollUpdateUserData) }))
	if diff := cmp.Diff(map[uint64]int32{2: 0}, p.one()); diff != "" {
		t.Error(diff)
	}
	p.start(3, noErr(func(s SQE) { s.PrepPollUpdate(1, 0, readable, PollUpdateEvents) }))
	if diff := cmp.Diff(map[uint64]int32{3: -int32(syscall.ENOENT)}, p.one()); diff != "" {
		t.Errorf("the old user data: %s", diff)
	}
	p.start(4, noErr(func(s SQE) { s.PrepPollUpdate(9, 0, readable, PollUpdateEvents) }))
	if diff := cmp.Diff(map[uint64]int32{4: 0}, p.one()); diff != "" {
		t.Error(diff)
	}
	_, err := syscall.Write(int(out), []byte("x"))
	p.must(err)
	if diff := cmp.Diff(map[uint64]int32{9: readable}, p.one()); diff != "" {
		t.Error(diff)
	}
}

// What is there when the events change counts.
func TestPollUpdateToWhatIsThere(t *testing.T) {
	if !hasLinux(t, kernel.V(6, 18)) {
		return // some kernels lose the request, and never let go of its ring
	}
	p := newTrip(t, Config{})
	in, out := p.pipe()
	const readable, urgent = 1, 2 // POLLIN, POLLPRI
	p.start(1, noErr(func(s SQE) { s.PrepPollAdd(in, urgent) }))
	_, err := syscall.Write(int(out), []byte("x"))
	p.must(err)
	p.start(2, noErr(func(s SQE) { s.PrepPollUpdate(1, 0, readable, PollUpdateEvents) }))
	if diff := cmp.Diff(map[uint64]int32{1: readable, 2: 0}, p.both()); diff != "" {
		t.Error(diff)
	}
}

func TestPollUpdateKeepsMultishot(t *testing.T) {
	p := newTrip(t, Config{})
	in, out := p.pipe()
	const readable, urgent = 1, 2
	p.start(1, noErr(func(s SQE) { s.PrepPollAddMultishot(in, urgent) }))
	p.start(2, noErr(func(s SQE) { s.PrepPollUpdate(1, 0, readable, PollUpdateEvents|PollAddMulti) }))
	if diff := cmp.Diff(map[uint64]int32{2: 0}, p.one()); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		_, err := syscall.Write(int(out), []byte("x"))
		p.must(err)
		c := p.wait()
		if got := (CQE{UserData: c.UserData, Res: c.Res}); got != (CQE{UserData: 1, Res: readable}) || !c.More() {
			t.Errorf("got %+v", c)
		}
	}
}

func TestCancelByOpcode(t *testing.T) {
	p := newTrip(t, Config{})
	testutil.Need(t, HaveCancelOp)
	in, _ := p.pipe()
	in2, _ := p.pipe()
	p.start(1, noErr(func(s SQE) { s.PrepPollAdd(in, 1) }))
	p.start(2, noErr(func(s SQE) { s.PrepRead(in, held(make([]byte, 1)), CurrentOffset) }))
	p.start(3, noErr(func(s SQE) { s.PrepPollAdd(in2, 1) }))
	p.start(4, noErr(func(s SQE) { s.PrepCancelFDOp(in, cgo.OpPollAdd, 0) }))
	if diff := cmp.Diff(map[uint64]int32{1: errCanceled, 4: 0}, p.both()); diff != "" {
		t.Errorf("by descriptor and opcode: %s", diff)
	}
	p.start(5, noErr(func(s SQE) { s.PrepCancelOp(cgo.OpPollAdd, CancelAll) }))
	if diff := cmp.Diff(map[uint64]int32{3: errCanceled, 5: 1}, p.both()); diff != "" {
		t.Errorf("by opcode: %s", diff)
	}
	p.start(6, noErr(func(s SQE) { s.PrepCancelOp(cgo.OpRead, 0) }))
	if got := p.both(); got[6] != 0 || got[2] != errCanceled && got[2] != -int32(syscall.EINTR) {
		t.Errorf("the read: %v", got)
	}
	p.fails(syscall.ENOENT, noErr(func(s SQE) { s.PrepCancelOp(cgo.OpPollAdd, 0) }))
}
