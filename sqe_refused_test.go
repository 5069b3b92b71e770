//go:build linux && cgo

package uring

import (
	"reflect"
	"syscall"
	"testing"

	"github.com/uring-go/uring/cgo"
)

// refusals has, for each method of an entry that returns an error, a call that is
// refused.
func refusals(b *bench) map[string]func(SQE) error {
	const zero, big = "a\x00b", 1 << 8
	var (
		none   = RegBuf{}
		p      = b.mem[:8]
		parts  = make([][]byte, 1025)
		cmd    = make([]byte, big)
		closed = &BufRing{ring: b.r, closed: true}
		other  = IOFlags(1 << 15)
	)
	m := map[string]func(SQE) error{
		"PrepCancelMatch":           func(s SQE) error { return s.PrepCancelMatch(Match{}, 0) },
		"PrepNopBig":                func(s SQE) error { return s.PrepNopBig(0, [2]uint64{}) },
		"PrepNop128":                func(s SQE) error { return s.PrepNop128() },
		"PrepUringCmd":              func(s SQE) error { return s.PrepUringCmd(7, 1, cmd) },
		"PrepUringCmd128":           func(s SQE) error { return s.PrepUringCmd128(7, 1, nil) },
		"PrepUringCmdFixed":         func(s SQE) error { return s.PrepUringCmdFixed(7, 1, none, nil) },
		"PrepReadFixed":             func(s SQE) error { return s.PrepReadFixed(7, none, p, 0) },
		"PrepReadProvided":          func(s SQE) error { return s.PrepReadProvided(7, b.br, -1) },
		"PrepReadProvidedAt":        func(s SQE) error { return s.PrepReadProvidedAt(7, closed, 0, 0) },
		"PrepWriteFixed":            func(s SQE) error { return s.PrepWriteFixed(7, none, p, 0) },
		"PrepReadv":                 func(s SQE) error { return s.PrepReadv(7, parts, 0, 0) },
		"PrepWritev":                func(s SQE) error { return s.PrepWritev(7, parts, 0, 0) },
		"PrepReadvFixed":            func(s SQE) error { return s.PrepReadvFixed(7, b.reg, [][]byte{nil}, 0, 0) },
		"PrepWritevFixed":           func(s SQE) error { return s.PrepWritevFixed(7, b.reg, [][]byte{nil}, 0, 0) },
		"PrepReadMultishot":         func(s SQE) error { return s.PrepReadMultishot(7, nil) },
		"PrepProvideBuffers":        func(s SQE) error { return s.PrepProvideBuffers(p, 3, 1, 0) },
		"PrepRemoveBuffers":         func(s SQE) error { return s.PrepRemoveBuffers(0, 1) },
		"PrepRecvMultishotGroup":    func(s SQE) error { return s.PrepRecvMultishotGroup(7, 1, other) },
		"PrepRecvMsgMultishotGroup": func(s SQE) error { return s.PrepRecvMsgMultishotGroup(7, benchTaken, b.msg, 0) },
		"PrepReadMultishotGroup":    func(s SQE) error { return s.PrepReadMultishotGroup(7, benchTaken) },
		"PrepRecvProvided":          func(s SQE) error { return s.PrepRecvProvided(7, b.br, 0, syscall.MSG_PEEK, 0) },
		"PrepRecvMultishot":         func(s SQE) error { return s.PrepRecvMultishot(7, b.br, PollFirst) },
		"PrepRecvMultishotLimit":    func(s SQE) error { return s.PrepRecvMultishotLimit(7, b.br, -1, 0, 0) },
		"PrepRecvMsgMultishot":      func(s SQE) error { return s.PrepRecvMsgMultishot(7, closed, b.msg, 0) },
		"PrepRecvFixed":             func(s SQE) error { return s.PrepRecvFixed(7, none, p, 0) },
		"PrepRecvZCMultishot":       func(s SQE) error { return s.PrepRecvZCMultishot(7, 0, 0) },
		"PrepSendSetAddr":           func(s SQE) error { return s.PrepSendSetAddr(Sockaddr{}) },
		"PrepSendVectorized":        func(s SQE) error { return s.PrepSendVectorized(7, parts, 0) },
		"PrepSendFixed":             func(s SQE) error { return s.PrepSendFixed(7, none, p, 0) },
		"PrepSendBundle":            func(s SQE) error { return s.PrepSendBundle(7, benchTaken, 0, 0) },
		"PrepSendZC":                func(s SQE) error { return s.PrepSendZC(7, p, 0, Bundle) },
		"PrepSendZCFixed":           func(s SQE) error { return s.PrepSendZCFixed(7, none, p, 0, 0) },
		"PrepSendZCVectorized":      func(s SQE) error { return s.PrepSendZCVectorized(7, parts, 0, 0) },
		"PrepSendMsgZC":             func(s SQE) error { return s.PrepSendMsgZC(7, b.msg, 0, Bundle) },
		"PrepSendMsgZCFixed":        func(s SQE) error { return s.PrepSendMsgZCFixed(7, none, b.msg, 0, 0) },
		"PrepSetsockopt":            func(s SQE) error { return s.PrepSetsockopt(7, 1, 1, cmd) },
		"PrepTxTimestampMultishot":  func(s SQE) error { return s.PrepTxTimestampMultishot(7) },
		"PrepFutexWaitv":            func(s SQE) error { return s.PrepFutexWaitv(nil) },
		"SetFlags": func(s SQE) error {
			if err := s.PrepSendZC(7, p, 0, 0); err != nil {
				return err
			}
			return s.SetFlags(SkipSuccess)
		},
		"SetBufGroup":    func(s SQE) error { s.PrepRecv(7, nil, 0); return s.SetBufGroup(benchTaken) },
		"SetIOFlags":     func(s SQE) error { s.PrepRecv(7, p, 0); return s.SetIOFlags(Bundle) },
		"SetAcceptFlags": func(s SQE) error { s.PrepAccept(7, 0); return s.SetAcceptFlags(1 << 15) },
	}
	for name, f := range map[string]func(SQE) error{
		"PrepOpenat":        func(s SQE) error { return s.PrepOpenat(3, zero, 0, 0) },
		"PrepOpenatDirect":  func(s SQE) error { return s.PrepOpenatDirect(3, zero, 0, 0, DirectSlot(1)) },
		"PrepOpenat2":       func(s SQE) error { return s.PrepOpenat2(3, zero, OpenHow{}) },
		"PrepOpenat2Direct": func(s SQE) error { return s.PrepOpenat2Direct(3, zero, OpenHow{}, DirectSlot(1)) },
		"PrepStatx":         func(s SQE) error { return s.PrepStatx(3, zero, 0, 0, &b.statx) },
		"PrepUnlinkat":      func(s SQE) error { return s.PrepUnlinkat(3, zero, 0) },
		"PrepMkdirat":       func(s SQE) error { return s.PrepMkdirat(3, zero, 0) },
		"PrepRenameat":      func(s SQE) error { return s.PrepRenameat(3, "a", 3, zero, 0) },
		"PrepLinkat":        func(s SQE) error { return s.PrepLinkat(3, zero, 3, "b", 0) },
		"PrepSymlinkat":     func(s SQE) error { return s.PrepSymlinkat("a", 3, zero) },
		"PrepSetxattr":      func(s SQE) error { return s.PrepSetxattr("a", zero, p, 0) },
		"PrepGetxattr":      func(s SQE) error { return s.PrepGetxattr(zero, "b", p) },
		"PrepFsetxattr":     func(s SQE) error { return s.PrepFsetxattr(7, zero, p, 0) },
		"PrepFgetxattr":     func(s SQE) error { return s.PrepFgetxattr(7, zero, p) },
	} {
		m[name] = f
	}
	return m
}

// Whatever refuses a request, its entry is the same afterwards, may be filled again,
// and takes no flags and no group meanwhile.
func TestRefusedEntryHasOneState(t *testing.T) {
	b := newBench(t)
	for name, refuse := range refusals(b) {
		s, err := b.r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		b.r.drained = false
		s.UserData = 77
		if err := s.SetFlags(Link | Async); err != nil {
			t.Fatal(err)
		}
		silent := b.r.silent
		want := cgo.SQE{Opcode: cgo.OpNop, Flags: cgo.SQECQESkipSuccess, FD: -1, Addr: cgo.RefusedMark, UserData: 77}
		for range 2 {
			if err := refuse(s); err == nil {
				t.Errorf("%s is not refused", name)
			}
			equal(t, name+": entry", *s.SQE, want)
			equal(t, name+": without completion", b.r.silent, silent+1)
			equal(t, name+": error of SetFlags", s.SetFlags(Link), errRefused)
			equal(t, name+": error of SetBufGroup", s.SetBufGroup(1), errRefused)
			equal(t, name+": entry", *s.SQE, want)
			equal(t, name+": links", s.Flags&(cgo.SQEIOLink|cgo.SQEIOHardlink), 0)
		}
		s.PrepNop()
		equal(t, name+": filled again", *s.SQE, cgo.SQE{Opcode: cgo.OpNop, FD: -1, UserData: 77})
		equal(t, name+": with completion", b.r.silent, silent)
	}
}

// Every method that can refuse is in that table.
func TestEveryRefusalIsTested(t *testing.T) {
	known := refusals(newBench(t))
	typ := reflect.TypeFor[SQE]()
	for i := range typ.NumMethod() {
		m := typ.Method(i)
		n := m.Type.NumOut()
		if n == 0 || m.Type.Out(n-1) != reflect.TypeFor[error]() {
			continue
		}
		if known[m.Name] == nil {
			t.Errorf("%s is not in the table", m.Name)
		}
	}
}

// On the kernel, a refused request in the middle of a chain ends it.
func TestChainEndsBeforeARefusedRequest(t *testing.T) {
	g := newRig(t, Config{Entries: 8})
	head := g.queue(1, func(s SQE) { s.PrepNop() })
	g.must(head.SetFlags(Link))
	refused := g.sqe()
	refused.UserData = 2
	wantError(t, refused.PrepOpenat(AtFDCWD, "a\x00b", 0, 0), "zero byte")
	wantError(t, refused.SetFlags(Link), "was refused")
	g.queue(3, func(s SQE) { s.PrepNop() })
	equal(t, "completions", g.byUserData(2), map[uint64]CQE{1: {UserData: 1}, 3: {UserData: 3}})
	equal(t, "in flight", g.InFlight(), 0)
	g.none()
}
