//go:build linux

package uring

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/uring-go/uring/internal/testutil"
)

// A rig is a ring on the kernel that a test asks for one thing after another.
type rig struct {
	testing.TB
	*Ring
	arenas []*Arena // to be closed after the ring
}

// newRig opens a ring, which is closed when the test ends. With
// SetupSingleIssuer the test stays on its thread.
func newRig(tb testing.TB, c Config) *rig {
	tb.Helper()
	if c.Flags&SetupSingleIssuer != 0 {
		runtime.LockOSThread()
		tb.Cleanup(runtime.UnlockOSThread)
	}
	r, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	g := &rig{TB: tb, Ring: r}
	tb.Cleanup(func() {
		if err := r.Close(); err != nil {
			tb.Error(err)
		}
		for _, a := range g.arenas {
			if err := a.Close(); err != nil {
				tb.Error(err)
			}
		}
	})
	return g
}

// rigOn is a rig on a ring that the test opens and closes itself.
func rigOn(tb testing.TB, r *Ring) *rig { return &rig{TB: tb, Ring: r} }

// arena maps memory, to be registered with the ring: it is closed after it.
func (g *rig) arena(size int) *Arena {
	g.Helper()
	a := mapArena(g, size)
	g.arenas = append(g.arenas, a)
	return a
}

// register maps memory and registers it with the ring.
func (g *rig) register(size int) RegBuf {
	g.Helper()
	reg, err := g.RegisterArena(g.arena(size))
	if err != nil {
		g.Fatal(err)
	}
	return reg
}

// The modes in which requests reach the kernel and completions come back.
var modes = []struct {
	name   string
	config Config
}{
	{"plain", Config{Entries: 16}},
	{"coop", Config{Entries: 16, Flags: SetupSubmitAll | SetupCoopTaskrun}},
	{"defer", Config{Entries: 16, Flags: SetupSubmitAll | SetupSingleIssuer | SetupDeferTaskrun}},
	{"sqpoll", Config{Entries: 16, Flags: SetupSubmitAll | SetupSQPoll, SQThreadIdle: time.Millisecond}},
	{"big", Config{Entries: 16, Flags: SetupSubmitAll | SetupSQE128 | SetupCQE32}},
}

// inEachMode runs a test with a ring of each mode.
func inEachMode(t *testing.T, test func(*testing.T, *rig)) {
	t.Helper()
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) { test(t, newRig(t, m.config)) })
	}
}

// sqe takes an entry.
func (g *rig) sqe() SQE {
	g.Helper()
	s, err := g.NextSQE()
	if err != nil {
		g.Fatal(err)
	}
	return s
}

// queue takes an entry, fills it and gives it user data.
func (g *rig) queue(userData uint64, prep func(SQE)) SQE {
	g.Helper()
	s := g.sqe()
	prep(s)
	s.UserData = userData
	return s
}

// patience is how long a test waits for what must come, in an emulated machine on
// a busy one too.
const patience = 30 * time.Second

// submit submits what is queued.
func (g *rig) submit() {
	g.Helper()
	queued := g.Queued()
	n, err := g.Submit()
	if err != nil || n != queued {
		g.Fatalf("Submit of %d entries: %d, %v", queued, n, err)
	}
}

// start queues a request with this user data and submits it.
func (g *rig) start(userData uint64, prep func(SQE)) {
	g.Helper()
	g.queue(userData, prep)
	g.submit()
}

// await submits what is queued and returns the next n completions; there must
// be no more.
func (g *rig) await(n int) []CQE {
	g.Helper()
	var got []CQE
	deadline := time.Now().Add(patience)
	for len(got) < n {
		if _, err := g.SubmitAndWaitTimeout(1, time.Until(deadline)); err != nil {
			g.Fatalf("%d of %d completions, %+v, then: %v", len(got), n, got, err)
		}
		for c := range g.Completions() {
			got = append(got, c)
		}
	}
	if len(got) > n {
		g.Fatalf("%d completions, want %d: %+v", len(got), n, got)
	}
	return got
}

// results returns the results of the next n completions by user data.
func (g *rig) results(n int) map[uint64]int32 {
	g.Helper()
	results := map[uint64]int32{}
	for range n {
		c := g.next()
		results[c.UserData] = c.Res
	}
	return results
}

// byUserData is await for completions that come in any order.
func (g *rig) byUserData(n int) map[uint64]CQE {
	g.Helper()
	m := map[uint64]CQE{}
	for _, c := range g.await(n) {
		m[c.UserData] = c
	}
	if len(m) != n {
		g.Fatalf("%d completions of %d requests", n, len(m))
	}
	return m
}

// next returns the next completion; if none is ready, it submits what is queued
// and waits.
func (g *rig) next() CQE {
	g.Helper()
	deadline := time.Now().Add(patience)
	for {
		for c := range g.Completions() {
			return c
		}
		if _, err := g.SubmitAndWaitTimeout(1, time.Until(deadline)); err != nil {
			g.Fatalf("no completion: %v", err)
		}
	}
}

// none expects that no completion comes.
func (g *rig) none() {
	g.Helper()
	if _, err := g.SubmitAndWaitTimeout(1, 20*time.Millisecond); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		g.Fatal(err)
	}
	for c := range g.Completions() {
		g.Fatalf("unexpected completion %+v", observe(c))
	}
}

// answer carries out one request and returns its completion, which must be the
// next.
func (g *rig) answer(prep func(SQE)) CQE {
	g.Helper()
	s := g.sqe()
	prep(s)
	want := s.UserData
	c := g.next()
	equal(g, "user data", c.UserData, want)
	return c
}

// do carries out one request, which must succeed, and returns its result.
func (g *rig) do(prep func(SQE)) int {
	g.Helper()
	c := g.answer(prep)
	if err := c.Err(); err != nil {
		g.Fatal(err)
	}
	return int(c.Res)
}

// fails carries out one request, which must fail.
func (g *rig) fails(want syscall.Errno, prep func(SQE)) {
	g.Helper()
	if err := g.answer(prep).Err(); !errors.Is(err, want) {
		g.Fatalf("request completed with %v, want %v", err, want)
	}
}

// must is for what must not fail, Prep methods among it.
func (g *rig) must(err error) {
	g.Helper()
	if err != nil {
		g.Fatal(err)
	}
}

func (g *rig) write(fd int, s string) {
	g.Helper()
	writeAll(g, fd, []byte(s))
}

// read returns what can be read at once, "" at the end of the stream.
func (g *rig) read(fd int) string {
	g.Helper()
	p := make([]byte, 1<<16)
	return string(p[:readSome(g, fd, p)])
}

// direct puts fd into a slot of the table of direct descriptors.
func (g *rig) direct(slot, fd int) Direct {
	g.Helper()
	d := DirectSlot(slot)
	if err := g.UpdateFile(d, fd); err != nil {
		g.Fatal(err)
	}
	return d
}

func TestMain(m *testing.M) { testutil.Main(m) }

func soon(tb testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	return ctx
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// second keeps the error of a call that returns something before it.
func second[T any](_ T, err error) error { return err }

func errno(e syscall.Errno) int32 { return -int32(e) }

const otherData = 99

// randomBytes returns n bytes that do not repeat.
func randomBytes(seed int64, n int) []byte {
	p := make([]byte, n)
	rand.New(rand.NewSource(seed)).Read(p)
	return p
}

// elsewhere calls f on another thread than its caller, which is locked to its
// own.
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// onEndingThread runs f on a thread, and returns when that is over.
func onEndingThread(t *testing.T, f func()) {
	t.Helper()
	thread := make(chan int)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if syscall.Gettid() != os.Getpid() {
			f()
			thread <- syscall.Gettid()
			return
		}
		onEndingThread(t, f) // Go keeps the first thread
		runtime.UnlockOSThread()
		thread <- 0
	}()
	id := <-thread
	for deadline := time.Now().Add(patience); id != 0; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", id)); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Error("the thread does not end")
			return
		}
	}
}

// locked runs f on a thread that no other goroutine gets.
func locked(t *testing.T, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f()
}

// waiters queues a request to receive and one to poll, with the user data u and
// u+1.
func (g *rig) waiters(u uint64, fd int) {
	g.queue(u, func(s SQE) { s.PrepRecv(FD(fd), held(make([]byte, 8)), 0) })
	g.queue(u+1, func(s SQE) { s.PrepPollAdd(FD(fd), 1) })
	g.submit()
}

// held keeps the memory of a request until the tests are over, for tests that do
// not look at it again.
func held(p []byte) []byte {
	heldMemories.Lock()
	defer heldMemories.Unlock()
	heldMemories.all = append(heldMemories.all, p)
	return p
}

var heldMemories struct {
	sync.Mutex
	all [][]byte
}

// inetOnly lets a ring open IPv4 sockets only.
var inetOnly = BPFFilter{
	Op: OpSocket, Payload: 12,
	Program: []BPFInstruction{
		BPFLoad(BPFSocketFamily), BPFSkipUnless(syscall.AF_INET, 1), BPFReturn(true), BPFReturn(false),
	},
}

// waiting submits receives that wait for data, one for each user data.
func waiting(t *testing.T, r *Ring, fd FD, userData ...uint64) {
	t.Helper()
	for _, u := range userData {
		s, err := r.NextSQE()
		if err != nil {
			t.Fatal(err)
		}
		s.PrepRecv(fd, held(make([]byte, 8)), 0)
		s.UserData = u
	}
	if _, err := r.Submit(); err != nil {
		t.Fatal(err)
	}
}

// want makes a request that must have this result.
func (g *rig) want(result int, prep func(SQE)) {
	g.Helper()
	if got := g.do(prep); got != result {
		g.Fatalf("the result is %d, want %d", got, result)
	}
}

// cancel ends the request with this user data and returns its completions.
func (g *rig) cancel(userData uint64) []CQE {
	g.Helper()
	const canceller = 1 << 40
	again := func() { g.queue(canceller, func(q SQE) { q.PrepCancel(userData, 0) }) }
	again()
	var left []CQE
	cancelled, over := false, false
	for !cancelled || !over {
		c := g.next()
		switch c.UserData {
		case canceller:
			cancelled = true
			over = over || c.Res == -int32(syscall.ENOENT)
			if !over && c.Res == -int32(syscall.EALREADY) {
				// A worker has the request, which may or may not end now.
				time.Sleep(time.Millisecond)
				cancelled = false
				again()
			}
		case userData:
			left = append(left, c)
			over = !c.More()
		default:
			g.Fatalf("completion of another request: %+v", c)
		}
	}
	return left
}

// A completion is what a test expects of a CQE: the result, the buffer, -1 for
// none, and the flags by letter:
//
//	M  IORING_CQE_F_MORE      the request goes on
//	B  IORING_CQE_F_BUFFER    it names a buffer
//	b  IORING_CQE_F_BUF_MORE  the kernel keeps the last buffer
//	E  IORING_CQE_F_SOCK_NONEMPTY
//	N  IORING_CQE_F_NOTIF
type completion struct {
	Res, BID int
	Flags    string
}

func observe(c CQE) completion {
	var flags strings.Builder
	letter := func(set bool, l byte) {
		if set {
			flags.WriteByte(l)
		}
	}
	bid, ok := c.BufferID()
	letter(c.More(), 'M')
	letter(ok, 'B')
	letter(c.BufferMore(), 'b')
	letter(c.SockNonEmpty(), 'E')
	letter(c.Notif(), 'N')
	if !ok {
		return completion{int(c.Res), -1, flags.String()}
	}
	return completion{int(c.Res), int(bid &^ sendBids), flags.String()}
}

func equal[T any](tb testing.TB, what string, got, want T) {
	tb.Helper()
	if reflect.DeepEqual(got, want) {
		return // much faster
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		tb.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// onOwner runs f with a ring on a thread that stays with it.
func onOwner(t *testing.T, c Config, f func(r *rig)) {
	t.Helper()
	if err := Serve(c, func(r *Ring) error { f(rigOn(t, r)); return nil }); err != nil {
		t.Error(err)
	}
}

func wantError(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("error is %v, want one with %q", err, text)
	}
}

// closesWith sets how long Close waits.
func closesWith(t *testing.T, d time.Duration) {
	old := drainTime
	drainTime = d
	t.Cleanup(func() { drainTime = old })
}

// closesLater closes a ring whose kernel has let go, or soon will.
func closesLater(t *testing.T, r *Ring) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if err = r.Close(); err == nil {
			return
		}
		equal(t, "is busy", errors.Is(err, ErrBusy), true)
	}
	t.Fatal(err)
}

const (
	errCanceled = -int32(syscall.ECANCELED)
	errTime     = -int32(syscall.ETIME)
)
