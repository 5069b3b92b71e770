//go:build linux

package uring

import (
	"errors"
	"math"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/sharing"
	"github.com/uring-go/uring/internal/testutil"
)

// A seam is a ring on a mock all of whose calls succeed but one, which fails a
// number of times before it does. Of those that succeed a wait brings a
// completion, with user data 1.
type seam struct {
	*testing.T
	ring      *Ring
	mem       *memory
	arena     *Arena
	use       func() error // comes to the call
	failures  int          // that are left
	calls     int
	elsewhere bool // on another thread than the ring's
}

// newSeam prepares for a call, and makes it fail so many times.
func newSeam(t *testing.T, method string, errno syscall.Errno, failures int) *seam {
	t.Helper()
	atOnce(t)
	u, ok := seamUses[method]
	if !ok {
		t.Fatal("the table does not say how a program comes to this call")
	}
	ctrl := gomock.NewController(t)
	drv := NewmockDriver(ctrl)
	s := &seam{T: t, mem: &memory{}, arena: newArena(t, 2*os.Getpagesize())}
	s.ring = newRing(s.mem.queues(u.flags), drv, u.flags, 0)
	s.ring.fd.Store(9)
	for name := range driverMethods() {
		expect(ctrl, drv, name, func(args []any) int {
			if s.elsewhere {
				return -int(syscall.EEXIST)
			}
			if name == method {
				s.calls++
				if s.failures > 0 {
					s.failures--
					return -int(errno)
				}
			}
			return s.succeed(name, args)
		})
	}
	drv.EXPECT().Exit().MaxTimes(1)
	s.use = u.prepare(s)
	s.failures, s.calls = failures, 0
	return s
}

// driverMethods are the methods of the driver that can fail.
func driverMethods() map[string]reflect.Type {
	all := reflect.TypeFor[driver]()
	can := map[string]reflect.Type{}
	for i := range all.NumMethod() {
		m := all.Method(i)
		if m.Type.NumOut() == 1 && m.Type.Out(0).Kind() == reflect.Int {
			can[m.Name] = m.Type
		}
	}
	return can
}

// expect lets a method of the mock be called with anything, at any time, and
// return what act does.
func expect(ctrl *gomock.Controller, drv *mockDriver, name string, act func(args []any) int) {
	typ := driverMethods()[name]
	anything := make([]any, typ.NumIn())
	for i := range anything {
		anything[i] = gomock.Any()
	}
	do := reflect.MakeFunc(typ, func(in []reflect.Value) []reflect.Value {
		args := make([]any, len(in))
		for i, v := range in {
			args[i] = v.Interface()
		}
		return []reflect.Value{reflect.ValueOf(act(args))}
	})
	ctrl.RecordCall(drv, name, anything...).AnyTimes().DoAndReturn(do.Interface())
}

// succeed carries out a call and returns what the kernel does.
func (s *seam) succeed(method string, args []any) int {
	switch method {
	case "SubmitAndWait", "SubmitAndWaitTimeout", "SubmitAndWaitReg", "SubmitAndWaitUntil", "Wait":
		s.mem.post(1)
	case "WaitSQ":
		s.mem.take(s.mem.sqTail - s.mem.sqHead)
	case "UpdateFiles", "UpdateFilesTags":
		return len(args[1].([]int32))
	case "RegisterZCRX":
		reg := args[0].(*cgo.ZCRXReg)
		reg.Tail, reg.RQEs = 4, 64
	}
	return 0
}

func (s *seam) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// seamUses says how a program comes to each call into C, by the method of the
// driver. What must be done before is done before the call that may fail.
var seamUses = map[string]struct {
	flags   SetupFlags
	prepare func(s *seam) (use func() error)
}{
	"Submit": {prepare: func(s *seam) func() error { return func() error { return second(s.ring.Submit()) } }},
	"SubmitShared": {prepare: func(s *seam) func() error {
		return func() error { return second(sharing.Submit(s.ring, true)) }
	}},
	"SubmitAndWait": {prepare: func(s *seam) func() error { return func() error { return second(s.ring.SubmitAndWait(1)) } }},
	"SubmitAndWaitTimeout": {prepare: func(s *seam) func() error {
		return func() error { return second(s.ring.SubmitAndWaitTimeout(1, time.Minute)) }
	}},
	"SubmitAndWaitReg": {prepare: func(s *seam) func() error {
		s.ring.regions = []*Region{{ring: s.ring, waits: true, sharedMemory: sharedMemory{mem: s.arena.Bytes()}}}
		return func() error { return second(s.ring.SubmitAndWaitReg(1, 0)) }
	}},
	"SubmitAndWaitUntil": {prepare: func(s *seam) func() error {
		s.ring.features |= cgo.FeatMinTimeout
		return func() error { return second(s.ring.SubmitAndWaitUntil(1, math.MaxInt64)) }
	}},
	"SubmitAndGetEvents": {prepare: func(s *seam) func() error { return func() error { return second(s.ring.SubmitAndGetEvents()) } }},
	"GetEvents":          {prepare: func(s *seam) func() error { return s.ring.GetEvents }},
	"Wait":               {prepare: func(s *seam) func() error { return func() error { return s.ring.WaitReady(1, time.Minute) } }},
	"WaitSQ": {SetupSQPoll, func(s *seam) func() error {
		nops(s.T, s.ring, 16)
		s.mem.sqGiven = s.mem.sqTail
		return s.ring.WaitSQ
	}},
	"SetIOWait": {prepare: func(s *seam) func() error { return func() error { return s.ring.SetIOWait(true) } }},
	"DontFork":  {prepare: func(s *seam) func() error { return s.ring.DontFork }},
	"ResizeRings": {SetupDeferTaskrun, func(s *seam) func() error {
		return func() error { return s.ring.ResizeRings(16, 16) }
	}},
	"Enable":        {SetupRDisabled, func(s *seam) func() error { return s.ring.Enable }},
	"SyncCancelAll": {prepare: func(s *seam) func() error { return s.ring.Close }},

	"RegisterRingFD": {prepare: func(s *seam) func() error { return s.ring.RegisterRingFD }},
	"UnregisterRingFD": {prepare: func(s *seam) func() error {
		s.must(s.ring.RegisterRingFD())
		return s.ring.UnregisterRingFD
	}},
	"RegisterBufRing": {prepare: func(s *seam) func() error {
		return func() error { return second(s.ring.NewBufRing(BufRingConfig{Entries: 4, BufSize: 16})) }
	}},
	"UnregisterBufRing": {prepare: func(s *seam) func() error { return s.bufRing().Close }},
	"BufRingHead":       {prepare: func(s *seam) func() error { b := s.bufRing(); return func() error { return second(b.Head()) } }},
	"RegisterBuffersSparse": {prepare: func(s *seam) func() error {
		return func() error { return s.ring.RegisterBuffers(4) }
	}},
	"UpdateBuffer": {prepare: func(s *seam) func() error {
		return func() error { return second(s.ring.RegisterArena(s.arena)) }
	}},
	"UnregisterBuffers": {prepare: func(s *seam) func() error {
		s.must(s.ring.RegisterBuffers(4))
		return s.ring.UnregisterBuffers
	}},
	"RegisterFilesSparse": {prepare: func(s *seam) func() error { return func() error { return s.ring.RegisterFiles(4) } }},
	"UpdateFiles": {prepare: func(s *seam) func() error {
		s.must(s.ring.RegisterFiles(4))
		return func() error { return s.ring.UpdateFile(DirectSlot(1), 5) }
	}},
	"UnregisterFiles": {prepare: func(s *seam) func() error {
		s.must(s.ring.RegisterFiles(4))
		return s.ring.UnregisterFiles
	}},
	"RegisterFileAllocRange": {prepare: func(s *seam) func() error {
		s.must(s.ring.RegisterFiles(4))
		return func() error { return s.ring.SetFileAllocRange(DirectSlot(1), 2) }
	}},
	"RegisterEventFD": {prepare: func(s *seam) func() error { return func() error { return s.ring.RegisterEventFD(3, false) } }},
	"UnregisterEventFD": {prepare: func(s *seam) func() error {
		s.must(s.ring.RegisterEventFD(3, false))
		return s.ring.UnregisterEventFD
	}},
	"ToggleEventFD": {prepare: func(s *seam) func() error { return func() error { return s.ring.SetEventFDEnabled(true) } }},
	"RegisterNAPI": {prepare: func(s *seam) func() error {
		return func() error { return second(s.ring.RegisterNAPI(NAPI{BusyPoll: time.Microsecond})) }
	}},
	"UnregisterNAPI": {prepare: func(s *seam) func() error { return func() error { return second(s.ring.UnregisterNAPI()) } }},
	"Probe":          {prepare: func(s *seam) func() error { return func() error { return second(s.ring.ProbeOps()) } }},
	"RegisterBuffers": {prepare: func(s *seam) func() error {
		return func() error { return second(s.ring.RegisterArenas([]*Arena{s.arena})) }
	}},
	"UpdateBuffers": {prepare: func(s *seam) func() error {
		reg, err := s.ring.RegisterArena(s.arena)
		s.must(err)
		other := newArena(s.T, 1)
		return func() error { return second(s.ring.ReplaceArena(reg, other, 0)) }
	}},
	"CloneBuffers": {prepare: func(s *seam) func() error {
		from, _, drv := newMockRing(s.T, 0)
		drv.RegisterBuffersSparse(uint32(4)).Return(0)
		drv.Raw().Return(nil).AnyTimes()
		s.must(from.RegisterBuffers(4))
		return func() error { return s.ring.CloneBuffers(from) }
	}},
	"RegisterFiles": {prepare: func(s *seam) func() error {
		return func() error { return s.ring.RegisterFDs([]int{3, -1}) }
	}},
	"UpdateFilesTags": {prepare: func(s *seam) func() error {
		s.must(s.ring.RegisterFiles(4))
		return func() error { return second(s.ring.UpdateFilesTagged(DirectSlot(1), []int{5}, []uint64{9})) }
	}},
	"RegisterPersonality": {prepare: func(s *seam) func() error { return func() error { return second(s.ring.RegisterPersonality()) } }},
	"UnregisterPersonality": {prepare: func(s *seam) func() error {
		return func() error { return s.ring.UnregisterPersonality(1) }
	}},
	"RegisterRestrictions": {SetupRDisabled, func(s *seam) func() error {
		return func() error { return s.ring.RegisterRestrictions(AllowOp(OpNop)) }
	}},
	"RegisterIOWQAff":   {prepare: func(s *seam) func() error { return func() error { return s.ring.RegisterIOWQAff(0) } }},
	"UnregisterIOWQAff": {prepare: func(s *seam) func() error { return s.ring.UnregisterIOWQAff }},
	"RegisterIOWQMaxWorkers": {prepare: func(s *seam) func() error {
		return func() error { _, _, err := s.ring.RegisterIOWQMaxWorkers(1, 1); return err }
	}},
	"CloseRingFD": {prepare: func(s *seam) func() error {
		s.must(s.ring.RegisterRingFD())
		return s.ring.CloseRingFD
	}},
	"SyncCancel": {prepare: func(s *seam) func() error {
		return func() error { return second(s.ring.SyncCancel(Match{UserData: ptr(uint64(1))}, false, -1)) }
	}},
	"RegisterClock": {prepare: func(s *seam) func() error { return func() error { return s.ring.RegisterClock(ClockBoottime) } }},
	"RegisterRegion": {prepare: func(s *seam) func() error {
		return func() error { return second(s.ring.RegisterRegion(RegionConfig{Memory: s.arena})) }
	}},
	"RegisterZCRX": {SetupDeferTaskrun | SetupCQE32, func(s *seam) func() error {
		c := ZCRXConfig{Interface: 1, Memory: s.arena, RefillMemory: s.arena, RefillEntries: 4}
		return func() error { return second(s.ring.RegisterZCRX(c)) }
	}},
	"ZCRXControl": {prepare: func(s *seam) func() error { return (&ZCRX{ring: s.ring}).Flush }},
	"RegisterBPFFilter": {prepare: func(s *seam) func() error {
		return func() error { return s.ring.RegisterBPFFilter(BPFFilter{Program: []BPFInstruction{BPFReturn(true)}}) }
	}},
}

// bufRing makes a buffer ring.
func (s *seam) bufRing() *BufRing {
	s.Helper()
	b, err := s.ring.NewBufRing(BufRingConfig{Entries: 4, BufSize: 16})
	s.must(err)
	return b
}

// close closes the ring.
func (s *seam) close() {
	s.Helper()
	if s.ring.closed {
		return
	}
	equal(s, "error of Close", s.ring.Close(), nil)
	equal(s, "users of the arena", s.arena.users, 0)
}

// forEachCall runs a test for each call into C.
func forEachCall(t *testing.T, test func(t *testing.T, method string)) {
	t.Helper()
	for method := range driverMethods() {
		t.Run(method, func(t *testing.T) { test(t, method) })
	}
}

// The kernel answers EEXIST to every call from another thread than the owner's.
// Nothing has been done then, and the owner can.
func TestWrongThreadIsNamed(t *testing.T) {
	forEachCall(t, func(t *testing.T, method string) {
		s := newSeam(t, method, 0, 0)
		s.elsewhere = true
		err := s.use()
		if !errors.Is(err, ErrWrongThread) || !strings.Contains(err.Error(), "uring.Serve") {
			t.Errorf("error is %v", err)
		}
		equal(t, "closed", s.ring.closed, false)
		s.elsewhere = false
		equal(t, "calls that were heard", s.calls, 0)
		equal(t, "error of the owner", s.use(), nil)
		s.close()
	})
}

// Two calls have another reason for EEXIST: then another call is heard.
func TestWhatIsThereAlreadyIsNotTheWrongThread(t *testing.T) {
	for want, c := range map[string]struct {
		call  func(*mockDriverMockRecorder) *gomock.Call
		flags SetupFlags
		use   func(*Ring, *Arena) error
	}{
		"AddNAPI: 7 is polled already": {
			func(drv *mockDriverMockRecorder) *gomock.Call {
				return drv.RegisterNAPI(&cgo.NAPI{Op: cgo.NAPIStaticAdd, Param: 7})
			}, 0,
			func(r *Ring, _ *Arena) error { return r.AddNAPI(7) },
		},
		"RegisterZCRX: queue 2 of interface 3 is taken": {
			func(drv *mockDriverMockRecorder) *gomock.Call {
				return drv.RegisterZCRX(gomock.Any(), gomock.Any(), gomock.Any())
			}, SetupDeferTaskrun | SetupCQE32,
			func(r *Ring, a *Arena) error {
				return second(r.RegisterZCRX(ZCRXConfig{Interface: 3, Queue: 2, Memory: a, RefillMemory: a, RefillEntries: 4}))
			},
		},
	} {
		t.Run(want, func(t *testing.T) {
			for _, there := range []bool{true, false} {
				r, _, drv := newMockRing(t, c.flags)
				c.call(drv).Return(-int(syscall.EEXIST))
				heard := 0
				if !there {
					heard = -int(syscall.EEXIST)
				}
				drv.Probe(gomock.Any()).Return(heard)
				err := c.use(r, newArena(t, 2*os.Getpagesize()))
				equal(t, "is EEXIST", errors.Is(err, syscall.EEXIST), true)
				equal(t, "is ErrWrongThread", errors.Is(err, ErrWrongThread), !there)
				equal(t, "says what is there", strings.Contains(err.Error(), want), there)
			}
		})
	}
}

// What fails for want of memory has changed nothing: it works the next time.
func TestCallsThatFailCanBeMadeAgain(t *testing.T) {
	forEachCall(t, func(t *testing.T, method string) {
		s := newSeam(t, method, syscall.ENOMEM, 1)
		err := s.use()
		if method == "SyncCancelAll" { // Close goes on, as nothing can be done
			equal(t, "error of Close", err, nil)
			equal(t, "closed", s.ring.closed, true)
			return
		}
		if !errors.Is(err, syscall.ENOMEM) {
			t.Errorf("error is %v", err)
		}
		equal(t, "calls", s.calls, 1)
		equal(t, "error the next time", s.use(), nil)
		s.close()
	})
}

// The memory of a closed ring counts as locked for a while: what finds none then
// waits, and is not refused.
func TestCallsThatLockMemoryWaitForThatOfAClosedRing(t *testing.T) {
	inTime := func() {
		settleTime = time.Minute // until the test ends, as atOnce left it
		lastClosed.Store(int64(time.Since(started)))
	}
	for _, method := range []string{
		"RegisterBufRing", "UpdateBuffer", "RegisterBuffers", "UpdateBuffers", "RegisterRegion", "ResizeRings", "RegisterZCRX",
	} {
		t.Run(method, func(t *testing.T) {
			s := newSeam(t, method, syscall.ENOMEM, 3)
			inTime()
			equal(t, "error", s.use(), nil)
			equal(t, "calls", s.calls, 4)
			s.close()
		})
	}
	t.Run("of a send queue", func(t *testing.T) {
		testutil.Need(t, SendProvided.have)
		s := newSeam(t, "RegisterBufRing", syscall.ENOMEM, 3)
		inTime()
		_, err := s.ring.NewSendQueue(DirectSlot(0).FD(), SendQueueConfig{Mode: SendProvided, Memory: 4096})
		equal(t, "error", err, nil)
		equal(t, "calls", s.calls, 4)
		s.close()
	})
}

// These go on after signals, and those that wait until there is what they wait
// for. The rest of the calls do not wait in the kernel.
func TestCallsGoOnAfterSignals(t *testing.T) {
	for method, waits := range map[string]bool{
		"Submit": false, "SubmitAndWait": true, "SubmitAndWaitTimeout": true, "SubmitAndWaitUntil": true, "SubmitAndGetEvents": false,
		"GetEvents": false, "Wait": true, "WaitSQ": false, "SyncCancel": false, "SyncCancelAll": false,
		"UnregisterFiles": false, "UnregisterBuffers": false,
	} {
		t.Run(method, func(t *testing.T) {
			s := newSeam(t, method, syscall.EINTR, 3)
			equal(t, "error", s.use(), nil)
			equal(t, "calls", s.calls, 4)
			if waits {
				equal(t, "completions", userData(s.ring), []uint64{1})
			}
			s.close()
		})
	}
	t.Run("SubmitAndWaitReg", func(t *testing.T) {
		s := newSeam(t, "SubmitAndWaitReg", syscall.EINTR, 1)
		equal(t, "error", s.use(), nil)
		equal(t, "calls", s.calls, 1) // then by Wait, for the rest of the time
		equal(t, "completions", userData(s.ring), []uint64{1})
		s.close()
	})
}
