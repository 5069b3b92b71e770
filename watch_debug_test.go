//go:build linux && uring_debug

package uring

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring/cgo"
)

// Who holds the memory that a Prep method is given until the request is over.
const (
	nobody = "it takes none"
	copied = "the package has a copy"
	ours   = "it lies outside of the Go heap" // of an Arena, a BufRing, a Ring, a mapping
)

// holders says it for the Prep methods whose memory is not the caller's to hold.
// The others are in callers.
var holders = map[string]string{
	"PrepAccept": nobody, "PrepAcceptDirect": nobody, "PrepAcceptMultishot": nobody, "PrepAcceptMultishotDirect": nobody,
	"PrepCancelMatch": nobody, "PrepNopFlags": nobody, "PrepReadMultishotGroup": ours, "PrepReadProvidedAt": ours,
	"PrepRecvMultishotGroup": ours,
	"PrepBind":               copied, "PrepCancel": nobody, "PrepCancelFD": nobody, "PrepCancelFDOp": nobody, "PrepCancelOp": nobody,
	"PrepClose": nobody, "PrepCloseDirect": nobody, "PrepConnect": copied, "PrepDiscard": nobody, "PrepEpollCtl": copied,
	"PrepFadvise": nobody, "PrepFallocate": nobody, "PrepFixedFDInstall": nobody, "PrepFsync": nobody, "PrepFtruncate": nobody,
	"PrepLinkTimeout": copied, "PrepLinkTimeoutUpdate": copied, "PrepLinkat": copied, "PrepListen": nobody, "PrepMadvise": ours,
	"PrepMkdirat": copied, "PrepMsgRing": ours, "PrepMsgRingCQEFlags": ours, "PrepMsgRingFD": ours, "PrepNop": nobody,
	"PrepNop128": nobody, "PrepNopBig": nobody, "PrepNopResult": nobody, "PrepOpenat": copied, "PrepOpenat2": copied,
	"PrepOpenat2Direct": copied, "PrepOpenatDirect": copied, "PrepPollAdd": nobody, "PrepPollAddMultishot": nobody,
	"PrepPollRemove": nobody, "PrepPollUpdate": nobody, "PrepReadFixed": ours, "PrepReadMultishot": ours, "PrepReadProvided": ours,
	"PrepReadvFixed": ours, "PrepRecvFixed": ours, "PrepRecvMultishot": ours, "PrepRecvMultishotLimit": ours,
	"PrepRecvProvided": ours, "PrepRecvZCMultishot": ours, "PrepRemoveBuffers": nobody, "PrepRenameat": copied,
	"PrepSIOCINQ": nobody, "PrepSIOCOUTQ": nobody, "PrepSendBundle": ours, "PrepSendFixed": ours, "PrepSendSetAddr": copied,
	"PrepSendZCFixed": ours, "PrepSetsockopt": copied, "PrepShutdown": nobody, "PrepSocket": nobody, "PrepSocketDirect": nobody,
	"PrepSplice": nobody, "PrepSymlinkat": copied, "PrepSyncFileRange": nobody, "PrepTee": nobody, "PrepTimeout": copied,
	"PrepTimeoutRemove": nobody, "PrepTimeoutUpdate": copied, "PrepTxTimestampMultishot": nobody, "PrepUnlinkat": copied,
	"PrepUringCmd": copied, "PrepUringCmd128": copied, "PrepUringCmdFixed": copied, "PrepWriteFixed": ours, "PrepWritevFixed": ours,
}

// callers has the Prep methods with memory that is the caller's to hold. Each
// gives one memory of its own, which may be a local variable, and returns it.
// Of several pieces only the one that it returns is not held otherwise.
var callers = map[string]func(SQE) (memory any){
	"PrepRead":  func(s SQE) any { p := make([]byte, 512); s.PrepRead(-1, p, 0); return p },
	"PrepWrite": func(s SQE) any { p := fmt.Appendf(nil, "%500d", 1); s.PrepWrite(-1, p, 0); return p },
	"PrepRead of a local variable": func(s SQE) any {
		var p [64]byte
		s.PrepRead(-1, p[:], 0)
		return &p
	},
	"PrepRead of a part": func(s SQE) any { p := make([]byte, 4096); s.PrepRead(-1, p[1000:2000], 0); return p },
	"PrepReadv of the first": func(s SQE) any {
		p := make([]byte, 512)
		ok(s.PrepReadv(-1, [][]byte{p, kept}, 0, 0))
		return p
	},
	"PrepReadv of the last": func(s SQE) any {
		p := make([]byte, 512)
		ok(s.PrepReadv(-1, [][]byte{kept, nil, p}, 0, 0))
		return p
	},
	"PrepWritev": func(s SQE) any { p := make([]byte, 512); ok(s.PrepWritev(-1, [][]byte{kept, p}, 0, 0)); return p },
	"PrepStatx":  func(s SQE) any { var st Statx; ok(s.PrepStatx(-1, "x", 0, 0, &st)); return &st },
	"PrepSetxattr": func(s SQE) any {
		p := make([]byte, 64)
		ok(s.PrepSetxattr("path", "name", p, 0))
		return p
	},
	"PrepGetxattr":  func(s SQE) any { p := make([]byte, 64); ok(s.PrepGetxattr("path", "name", p)); return p },
	"PrepFsetxattr": func(s SQE) any { p := make([]byte, 64); ok(s.PrepFsetxattr(-1, "name", p, 0)); return p },
	"PrepFgetxattr": func(s SQE) any { p := make([]byte, 64); ok(s.PrepFgetxattr(-1, "name", p)); return p },
	"PrepEpollWait": func(s SQE) any { e := make([]EpollEvent, 8); s.PrepEpollWait(-1, e); return e },
	"PrepFutexWait": func(s SQE) any { w := &[8]uint32{}; s.PrepFutexWait(&w[3], 0, 1, 0); return w },
	"PrepFutexWake": func(s SQE) any { w := &[8]uint32{}; s.PrepFutexWake(&w[3], 0, 1, 0); return w },
	"PrepFutexWaitv": func(s SQE) any {
		w := &[8]uint32{}
		ok(s.PrepFutexWaitv([]FutexWaiter{{Addr: &keptWord}, {Addr: &w[1]}}))
		return w
	},
	"PrepProvideBuffers": func(s SQE) any { p := make([]byte, 512); ok(s.PrepProvideBuffers(p, 64, 9, 0)); return p },
	"PrepRecv":           func(s SQE) any { p := make([]byte, 512); s.PrepRecv(-1, p, 0); return p },
	"PrepSend":           func(s SQE) any { p := make([]byte, 512); s.PrepSend(-1, p, 0); return p },
	"PrepSendTo":         func(s SQE) any { p := make([]byte, 512); s.PrepSendTo(-1, p, 0, Sockaddr{}); return p },
	"PrepSendMsg":        func(s SQE) any { m := NewMsg(kept); s.PrepSendMsg(-1, m, 0); return m },
	"PrepRecvMsg": func(s SQE) any {
		m := NewMsg(make([]byte, 512))
		m.WantAddr()
		s.PrepRecvMsg(-1, m, 0)
		return m
	},
	"PrepRecvMsg of a part": func(s SQE) any {
		p := make([]byte, 512)
		m := NewMsg(kept, p)
		keptMsg = m
		s.PrepRecvMsg(-1, m, 0)
		m.SetParts(kept) // wrong: the kernel knows p
		m.parts[:2][1] = nil
		m.iov[:2][1] = cgo.Iovec{}
		return p
	},
	"PrepRecvMsg of control data": func(s SQE) any {
		p := make([]byte, 512)
		m := NewMsg(kept)
		m.SetControl(p)
		keptMsg = m
		s.PrepRecvMsg(-1, m, 0)
		m.SetControl(nil)
		return p
	},
	"PrepSendZC":    func(s SQE) any { p := make([]byte, 512); ok(s.PrepSendZC(-1, p, 0, 0)); return p },
	"PrepSendMsgZC": func(s SQE) any { m := NewMsg(kept); ok(s.PrepSendMsgZC(-1, m, 0, 0)); return m },
	"PrepSendVectorized": func(s SQE) any {
		p := make([]byte, 512)
		ok(s.PrepSendVectorized(-1, [][]byte{p, kept}, 0))
		return p
	},
	"PrepSendZCVectorized": func(s SQE) any {
		p := make([]byte, 512)
		ok(s.PrepSendZCVectorized(-1, [][]byte{p, kept}, 0, 0))
		return p
	},
	"PrepFilesUpdate": func(s SQE) any { fds := make([]int32, 9); s.PrepFilesUpdate(DirectAlloc, fds); return fds },
	"PrepPipe":        func(s SQE) any { p := &[4][2]int32{}; s.PrepPipe(&p[1], 0); return p },
	"PrepPipeDirect":  func(s SQE) any { p := &[4][2]int32{}; s.PrepPipeDirect(&p[1], 0, DirectAlloc); return p },
	"PrepAcceptAddr":  func(s SQE) any { var a Sockaddr; s.PrepAcceptAddr(-1, 0, &a); return &a },
	"PrepAcceptAddrDirect": func(s SQE) any {
		var a Sockaddr
		s.PrepAcceptAddrDirect(-1, 0, &a, DirectAlloc)
		return &a
	},
	"PrepSetsockoptHeld": func(s SQE) any {
		p := make([]byte, 64)
		s.PrepSetsockoptHeld(-1, 0, 0, p)
		return p
	},
	"PrepGetsockopt":  func(s SQE) any { p := make([]byte, 64); s.PrepGetsockopt(-1, 0, 0, p); return p },
	"PrepGetsockname": func(s SQE) any { var a Sockaddr; s.PrepGetsockname(-1, &a); return &a },
	"PrepGetpeername": func(s SQE) any { var a Sockaddr; s.PrepGetpeername(-1, &a); return &a },
	"PrepWaitid":      func(s SQE) any { var i Siginfo; s.PrepWaitid(PAll, 0, &i, 0); return &i },
}

// What is not collected while tests run.
var (
	kept     = make([]byte, 512)
	keptWord uint32
	keptMsg  *Msg
)

func ok(err error) {
	if err != nil {
		panic(err)
	}
}

// A takingRing is a ring whose entries are taken, and come to nothing: no memory
// is written to that was collected.
func takingRing(t *testing.T) (*Ring, *memory) {
	r, m, drv := newMockRing(t, 0)
	drv.Submit().AnyTimes().DoAndReturn(func() int { return int(m.take(r.q.SQReady())) })
	return r, m
}

// broken runs f and returns what invariant it found broken.
func broken(f func()) (what string) {
	defer func() {
		if r := recover(); r != nil {
			what = fmt.Sprint(r)
			if !strings.HasPrefix(what, "uring: broken invariant: ") {
				panic(r)
			}
		}
	}()
	f()
	return ""
}

func collected(t *testing.T, what, op string) {
	t.Helper()
	if !strings.Contains(what, "was collected before its last completion") || !strings.Contains(what, op) ||
		!strings.Contains(what, "0x77") {
		t.Errorf("%q does not say that memory of %s 0x77 was collected", what, op)
	}
}

func submit(t *testing.T, r *Ring) {
	t.Helper()
	if _, err := r.Submit(); err != nil {
		t.Error(err)
	}
}

// Every Prep method is in one of the tables.
func TestEveryPrepHasAHolder(t *testing.T) {
	typ := reflect.TypeFor[SQE]()
	n := 0
	for i := range typ.NumMethod() {
		name := typ.Method(i).Name
		if !strings.HasPrefix(name, "Prep") {
			continue
		}
		n++
		_, theirs := callers[name]
		for c := range callers {
			theirs = theirs || strings.HasPrefix(c, name+" ")
		}
		switch name {
		case "PrepRecvMsgMultishot", "PrepRecvMsgMultishotGroup", "PrepSendMsgZCFixed":
			theirs = true // in tests of their own
		}
		if _, known := holders[name]; known == theirs {
			t.Errorf("%s: holder known: %v, the caller: %v", name, known, theirs)
		}
	}
	if n < 90 {
		t.Errorf("%d Prep methods only", n)
	}
}

// Memory that is collected between Prep and Submit is reported before the kernel
// gets its address.
func TestMemoryCollectedBeforeSubmit(t *testing.T) {
	for name, prep := range callers {
		t.Run(name, func(t *testing.T) {
			r, m := takingRing(t)
			s, err := r.Request(0x77)
			if err != nil {
				t.Fatal(err)
			}
			prep(s)
			op := Op(s.Opcode).String()
			runtime.GC()
			collected(t, broken(func() { submit(t, r) }), op)
			equal(t, "entries that the kernel took", m.sqHead, 0)
		})
	}
}

// Memory that is collected while the request is in flight is reported at the
// next call, and nothing is while it is there.
func TestMemoryCollectedInFlight(t *testing.T) {
	calls := map[string]func(*testing.T, *Ring){
		"Submit":      submit,
		"Completions": func(_ *testing.T, r *Ring) { userData(r) },
		"Peek":        func(_ *testing.T, r *Ring) { r.Peek(make([]CQE, 1)) },
	}
	for name, prep := range callers {
		for call, do := range calls {
			t.Run(name+"/"+call, func(t *testing.T) {
				r, m := takingRing(t)
				s, err := r.Request(0x77)
				if err != nil {
					t.Fatal(err)
				}
				memory := prep(s)
				op := Op(s.Opcode).String()
				runtime.GC()
				submit(t, r)
				runtime.GC()
				do(t, r)
				runtime.KeepAlive(memory)
				memory = nil
				m.post(0x77) // ready, but not taken
				runtime.GC()
				collected(t, broken(func() { do(t, r) }), op)
			})
		}
	}
}

// After the last completion the memory may go.
func TestMemoryCollectedAfterItsCompletion(t *testing.T) {
	takes := map[string]func(*Ring){
		"Completions": func(r *Ring) { userData(r) },
		"Advance":     func(r *Ring) { r.Advance(r.Peek(make([]CQE, 4))) },
	}
	for name, prep := range callers {
		for take, do := range takes {
			t.Run(name+"/"+take, func(t *testing.T) {
				r, m := takingRing(t)
				s, err := r.Request(0x77)
				if err != nil {
					t.Fatal(err)
				}
				memory := prep(s)
				submit(t, r)
				m.post(0x77)
				do(r)
				runtime.KeepAlive(memory)
				memory = nil
				runtime.GC()
				equal(t, "found", broken(func() { submit(t, r); userData(r) }), "")
			})
		}
	}
}

// Of requests with the same user data nobody knows which is over: none is
// reported then that may be. Until the first is, all are watched.
func TestMemoryOfRequestsWithTheSameUserData(t *testing.T) {
	r, m := takingRing(t)
	first, second := make([]byte, 512), make([]byte, 512)
	recv := func(p []byte) {
		s, err := r.Request(0x77)
		if err != nil {
			t.Fatal(err)
		}
		s.PrepRecv(-1, p, 0)
	}
	recv(first)
	recv(second)
	submit(t, r)
	m.post(0x77)
	userData(r)
	runtime.KeepAlive(first)
	first = nil
	runtime.GC()
	equal(t, "found", broken(func() { submit(t, r) }), "")
	third := make([]byte, 512)
	recv(third) // with one of the others
	submit(t, r)
	runtime.KeepAlive(third)
	third = nil
	runtime.GC()
	collected(t, broken(func() { submit(t, r) }), "OpRecv")
	runtime.KeepAlive(second)
}

// What another Prep method had in the entry is not used, nor what was refused.
func TestMemoryOfAnEntryFilledAgain(t *testing.T) {
	r, _ := takingRing(t)
	s, err := r.Request(0x77)
	if err != nil {
		t.Fatal(err)
	}
	s.PrepRecv(-1, make([]byte, 512), 0)
	if s.PrepReadv(-1, make([][]byte, maxIovecs+1), 0, 0) == nil {
		t.Error("too many parts were accepted")
	}
	s.PrepRecv(-1, make([]byte, 512), 0)
	if s.PrepSetxattr("path", "na\x00me", make([]byte, 64), 0) == nil {
		t.Error("a zero byte was accepted")
	}
	s.PrepSend(-1, kept, 0)
	runtime.GC()
	equal(t, "found", broken(func() { submit(t, r) }), "")
	runtime.GC()
	equal(t, "found", broken(func() { submit(t, r) }), "")
}

// A zero-copy send uses its header until the result, its parts until the
// notification, and so does the package that watches them.
func TestMemoryOfZeroCopySend(t *testing.T) {
	r, m := takingRing(t)
	p := make([]byte, 512)
	func() {
		s, err := r.Request(0x77)
		if err != nil {
			t.Fatal(err)
		}
		msg := NewMsg(kept, p)
		ok(s.PrepSendMsgZC(-1, msg, 0, 0))
		submit(t, r)
		m.post(0x77)
		m.cqes[0].Flags = cgo.CQEFMore
		userData(r)
		runtime.KeepAlive(msg)
	}()
	runtime.GC()
	equal(t, "found", broken(func() { submit(t, r) }), "")
	runtime.KeepAlive(p)
	p = nil
	runtime.GC()
	collected(t, broken(func() { submit(t, r) }), "OpSendMsgZC")
}

func TestMemoryOfFixedZeroCopySend(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	reg := g.register(4096)
	s, err := g.Request(0x77)
	g.must(err)
	g.must(s.PrepSendMsgZCFixed(-1, reg, NewMsg(reg.Bytes()[:10]), 0, 0))
	runtime.GC()
	collected(t, broken(func() { submit(t, g.Ring) }), "OpSendMsgZC")
	s.PrepNop() // for Close
}

func TestMemoryOfMultishotMessages(t *testing.T) {
	g := newRig(t, Config{Entries: 4})
	br, err := g.NewBufRing(BufRingConfig{Group: 1, Entries: 2, BufSize: 512})
	g.must(err)
	a, _ := streamPair(g)
	s, err := g.Request(0x77)
	g.must(err)
	g.must(s.PrepRecvMsgMultishot(FD(a), br, NewMsg(), 0))
	runtime.GC()
	collected(t, broken(func() { submit(t, g.Ring) }), "OpRecvMsg")
	s.PrepNop()
}

// Memory outside of the Go heap is not the collector's: there is nothing to
// watch, and weak pointers to it would end the program.
func TestMemoryOutsideOfTheHeap(t *testing.T) {
	g := newRig(t, Config{Entries: 8})
	mapped, err := syscall.Mmap(-1, 0, 1<<16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	g.must(err)
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinned := new([64]byte)
	pinner.Pin(pinned)
	for _, p := range [][]byte{g.arena(4096).Bytes(), mapped, global[:], pinned[:], nil, {}, make([]byte, 0, 10)} {
		g.queue(1, func(s SQE) { s.PrepRecv(-1, p, 0) })
	}
	pinned = nil
	runtime.GC()
	g.await(7)
	g.must(syscall.Munmap(mapped))
}

var global [64]byte

// What SyncCancel waited for uses no memory, though its completion is to come.
func TestMemoryOfCancelledRequests(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		a, _ := streamPair(g)
		p := make([]byte, 512)
		g.queue(0x77, func(s SQE) { s.PrepRecv(FD(a), p, 0) })
		g.submit()
		userData := uint64(0x77)
		_, err := g.SyncCancel(Match{UserData: &userData}, false, patience)
		for late := time.Now().Add(patience); err != nil && time.Now().Before(late); {
			time.Sleep(time.Millisecond) // a kernel's thread takes it in its own time
			_, err = g.SyncCancel(Match{UserData: &userData}, false, patience)
		}
		g.must(err)
		runtime.KeepAlive(p)
		p = nil
		runtime.GC()
		equal(t, "completion", g.await(1)[0].UserData, 0x77)
	})
}

// An entry that is used after its submit is reported, whether its place has a
// new owner or not.
func TestEntryUsedAfterItsSubmit(t *testing.T) {
	uses := map[string]func(SQE){
		"PrepNop":  SQE.PrepNop,
		"PrepRecv": func(s SQE) { s.PrepRecv(-1, kept, 0) },
		"a refused Prep": func(s SQE) {
			_ = s.PrepUnlinkat(-1, "\x00", 0)
		},
		"SetToken":        func(s SQE) { s.SetToken(1) },
		"SetFlags":        func(s SQE) { _ = s.SetFlags(Link) },
		"SetBufGroup":     func(s SQE) { _ = s.SetBufGroup(1) },
		"SetAcceptFlags":  func(s SQE) { _ = s.SetAcceptFlags(AcceptDontWait) },
		"PrepSendSetAddr": func(s SQE) { s.Opcode = cgo.OpSend; _ = s.PrepSendSetAddr(Sockaddr{}) },
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			r, _ := takingRing(t)
			s, err := r.NextSQE()
			ok(err)
			s.PrepNop()
			submit(t, r)
			what := broken(func() { use(s) })
			if !strings.Contains(what, "used after its submit") {
				t.Errorf("found %q", what)
			}
			r.given = nil // PrepSendSetAddr is no request, and has written to it
			sq, _ := r.Entries()
			nops(t, r, sq)
			if what := broken(func() { use(s) }); !strings.Contains(what, "used after its submit") {
				t.Errorf("with a new owner: found %q", what)
			}
		})
	}
}

// Fields that are written to after the submit are found by the next call.
func TestFieldWrittenAfterItsSubmit(t *testing.T) {
	for name, do := range map[string]func(*testing.T, *Ring){
		"Submit":      submit,
		"Completions": func(_ *testing.T, r *Ring) { userData(r) },
		"NextSQE":     func(t *testing.T, r *Ring) { nops(t, r, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := takingRing(t)
			s, err := r.NextSQE()
			ok(err)
			s.PrepNop()
			s.UserData = 0x77
			submit(t, r)
			equal(t, "found", broken(func() { userData(r) }), "")
			s.UserData = 0x78
			if what := broken(func() { do(t, r) }); !strings.Contains(what, "written to after its submit (OpNop, user data 0x77)") {
				t.Errorf("found %q", what)
			}
		})
	}
}

// A ring is used in debug builds as in others when entries are kept in order.
func TestEntriesInTurnsAreFine(t *testing.T) {
	inEachMode(t, func(t *testing.T, g *rig) {
		sq, _ := g.Entries()
		for range 3 {
			g.must(g.MakeRoom(sq))
			var all []SQE
			for i := range sq {
				all = append(all, g.queue(uint64(i), SQE.PrepNop))
			}
			for _, s := range all {
				s.PrepTimeout(0, 0, 0)
				g.must(s.SetFlags(0))
			}
			g.await(sq)
		}
	})
}
