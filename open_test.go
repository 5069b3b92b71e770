//go:build linux

package uring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/live"
)

// A ring that was never opened is an error to use, as when the error of New was
// ignored, and no crash.
func TestRingThatWasNotOpened(t *testing.T) {
	for name, r := range map[string]*Ring{"nil": nil, "zero": {}} {
		typ := reflect.TypeOf(r)
		for i := range typ.NumMethod() {
			method := typ.Method(i)
			t.Run(name+"/"+method.Name, func(t *testing.T) {
				defer func() {
					if p := recover(); p != nil {
						t.Errorf("panic: %v", p)
					}
				}()
				var args []reflect.Value
				for a := 1; a < method.Type.NumIn(); a++ {
					args = append(args, reflect.Zero(method.Type.In(a)))
				}
				call := reflect.ValueOf(r).Method(i).Call
				if method.Type.IsVariadic() {
					call = reflect.ValueOf(r).Method(i).CallSlice
				}
				for _, out := range call(args) {
					if out.Kind() == reflect.Func { // an iterator
						if out.Type().In(0).NumIn() == 2 {
							for range out.Seq2() {
								t.Error("a completion")
							}
							continue
						}
						for range out.Seq() {
							t.Error("a completion")
						}
						continue
					}
					if out.Type() != reflect.TypeFor[error]() {
						continue
					}
					err, _ := out.Interface().(error)
					if !errors.Is(err, errNoRing) {
						t.Errorf("error is %v, want %v", err, errNoRing)
					}
				}
			})
		}
	}
}

// A ring that one process opens works in another.
func TestRingOpenedByAnotherProcess(t *testing.T) {
	fd, p, err := Setup(Config{Entries: 8, Flags: SetupRDisabled | SetupSingleIssuer | SetupDeferTaskrun})
	if err != nil {
		t.Fatal(err)
	}
	ring := os.NewFile(uintptr(fd), "ring")
	defer ring.Close()
	path := filepath.Join(t.TempDir(), "file")
	cmd := exec.Command(os.Args[0], "-test.run=^TestInTheOtherProcess$", "-test.count=1")
	cmd.Env = append(os.Environ(), "URING_TEST_PARAMS="+hex.EncodeToString(p[:]), "URING_TEST_FILE="+path)
	cmd.ExtraFiles = []*os.File{ring}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(path)
	equal(t, "error", err, nil)
	equal(t, "what the other process wrote", string(got), "written by a ring of another process")
}

// TestInTheOtherProcess is what that one runs; it is nothing by itself.
func TestInTheOtherProcess(t *testing.T) {
	params := os.Getenv("URING_TEST_PARAMS")
	if params == "" {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var p SetupParams
	if n, err := hex.Decode(p[:], []byte(params)); n != len(p) || err != nil {
		t.Fatal(n, err)
	}
	r, err := OpenFD(3, p)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "flags", r.Flags()&(SetupSingleIssuer|SetupDeferTaskrun), SetupSingleIssuer|SetupDeferTaskrun)
	equal(t, "error of Enable", r.Enable(), nil)
	f, err := os.Create(os.Getenv("URING_TEST_FILE"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := rigOn(t, r)
	p1 := []byte("written by a ring of another process")
	for i := range p1 { // around the queue
		equal(t, "result", g.answer(func(s SQE) { s.PrepWrite(FD(f.Fd()), p1[i:i+1], uint64(i)) }).Res, 1)
	}
	equal(t, "error of Close", r.Close(), nil)
}

func TestOpenFDTakesTheDescriptor(t *testing.T) {
	for _, flags := range []SetupFlags{0, SetupNoSQArray, SetupCQE32 | SetupSQE128, SetupClamp} {
		fd, p, err := Setup(Config{Entries: 4, CQEntries: 16, Flags: flags})
		if err != nil {
			if flags == SetupNoSQArray && errors.Is(err, ErrNotSupported) {
				continue
			}
			t.Fatal(err)
		}
		r, err := OpenFD(fd, p)
		if err != nil {
			t.Fatal(err)
		}
		sq, cq := r.Entries()
		equal(t, "submission queue", sq, 4)
		equal(t, "completion queue", cq, 16)
		equal(t, "descriptor", r.FD(), fd)
		equal(t, "features", r.Features()&FeatNodrop, FeatNodrop)
		g := rigOn(t, r)
		for range 20 {
			equal(t, "result", g.answer(func(s SQE) { s.PrepNop() }).Res, 0)
		}

		_, err = OpenFD(fd, p)
		equal(t, "a used ring is ErrBusy", errors.Is(err, ErrBusy), true)
		equal(t, "the ring goes on", g.answer(func(s SQE) { s.PrepNop() }).Res, 0)
		equal(t, "error of Close", r.Close(), nil)
		var st syscall.Stat_t
		equal(t, "the descriptor is closed", syscall.Fstat(fd, &st), error(syscall.EBADF))
	}
}

func TestOpenFDRefusesWhatDoesNotFit(t *testing.T) {
	_, _, err := Setup(Config{Flags: SetupNoMMap})
	wantError(t, err, "does not go with SetupNoMMap")
	_, _, err = Setup(Config{Flags: SetupIOPoll})
	wantError(t, err, "does not go with SetupIOPoll")
	_, _, err = Setup(Config{Flags: SetupSQPoll})
	wantError(t, err, "does not go with SetupSQPoll")
	_, _, err = Setup(Config{Entries: -1})
	wantError(t, err, "Entries")

	fd, p, err := Setup(Config{Entries: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	refused := func(name string, fd int, p SetupParams) {
		t.Helper()
		if r, err := OpenFD(fd, p); err == nil {
			t.Errorf("%s: not refused", name)
			_ = r.Close()
		}
	}
	// struct io_uring_params as words: the lengths, and where the queues have what.
	for _, field := range []int{0, 1, 10, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23, 24, 25, 26} {
		for _, bad := range [][4]byte{{0, 0, 0x7f, 0x7f}, {0xff, 0xff, 0xff, 0xff}, {2, 0, 1, 0}} {
			wrong := p
			copy(wrong[4*field:], bad[:])
			refused(fmt.Sprint("field ", field, " is ", bad), fd, wrong)
		}
	}
	polled := p
	polled[8] |= byte(SetupSQPoll)
	_, err = OpenFD(fd, polled)
	wantError(t, err, "OpenFD does not go with SetupSQPoll")
	refused("nothing", fd, SetupParams{})
	refused("no descriptor", -1, p)
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	refused("another file", int(f.Fd()), p)
	fd8, p8, err := Setup(Config{Entries: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd8)
	refused("parameters of a larger ring", fd, p8)
	refused("parameters of a smaller ring", fd8, p)
	equal(t, "the descriptor is still open", syscall.SetNonblock(fd, false), nil)
}

// FuzzOpenFD opens a ring by parameters of which any four bytes may be wrong.
// They are refused, or the ring can be used without harm, if not with success.
func FuzzOpenFD(f *testing.F) {
	for word := range uint8(30) {
		for _, value := range []uint32{0, 1, 64, 4096, 1 << 16, math.MaxUint32} {
			f.Add(word, value)
		}
	}
	drain := drainTime
	drainTime = 0
	f.Cleanup(func() { drainTime = drain })
	f.Fuzz(func(t *testing.T, at uint8, value uint32) {
		fd, p, err := Setup(Config{Entries: 4})
		if err != nil {
			t.Fatal(err)
		}
		at %= uint8(len(p) / 4)
		for i := range 4 {
			p[int(at)*4+i] = byte(value >> (8 * i))
		}
		r, err := OpenFD(fd, p)
		if err != nil {
			if err := syscall.Close(fd); err != nil {
				t.Fatal(err)
			}
			return
		}
		if s, err := r.NextSQE(); err == nil {
			s.PrepNop()
			_, _ = r.Submit()
		}
		n := 0
		for range r.Completions() {
			if n++; n > 1000 {
				t.Fatal("more completions than any queue has")
			}
		}
		if err := r.Close(); err != nil { // where the head is not where they say
			equal(t, "is busy", errors.Is(err, ErrBusy), true)
			if !r.closed {
				closeRaw(r.drv)
			}
			live.Closed(r)
		}
	})
}

func TestServe(t *testing.T) {
	t.Run("on one thread, with the fastest flags", func(t *testing.T) {
		var served *Ring
		err := Serve(Config{Entries: 4}, func(r *Ring) error {
			served = r
			const want = SetupSingleIssuer | SetupDeferTaskrun | SetupSubmitAll | SetupTaskrunFlag
			equal(t, "flags", r.Flags()&^SetupNoSQArray, want)
			tid := syscall.Gettid()
			for range 100 {
				runtime.Gosched()
			}
			equal(t, "thread", syscall.Gettid(), tid)
			g := rigOn(t, r)
			equal(t, "result", g.do(func(s SQE) { s.PrepNop() }), 0)
			return nil
		})
		equal(t, "error", err, nil)
		_, err = served.NextSQE()
		equal(t, "error of the ring after it", err, ErrClosed)
	})
	t.Run("with SQPoll", func(t *testing.T) {
		equal(t, "error", Serve(Config{Entries: 4, Flags: SetupSQPoll}, func(r *Ring) error {
			equal(t, "flags", r.Flags()&(SetupSQPoll|SetupDeferTaskrun), SetupSQPoll)
			return nil
		}), nil)
	})
	t.Run("returns the function's error and closes", func(t *testing.T) {
		failure := errors.New("failure")
		var served *Ring
		err := Serve(Config{Entries: 4}, func(r *Ring) error {
			served = r
			a, _ := streamPair(t)
			g := rigOn(t, r)
			g.queue(1, func(s SQE) { s.PrepRecv(FD(a), held(make([]byte, 4)), 0) }) // never completes
			g.submit()
			return failure
		})
		equal(t, "is the failure", errors.Is(err, failure), true)
		equal(t, "closed", served.closed, true)
	})
	t.Run("returns the error of Close too", serveReturnsTheErrorOfClose)
	t.Run("closes and says so when the function ends its goroutine", serveOfWhatEndsItsGoroutine)
	t.Run("returns the error of New", func(t *testing.T) {
		err := Serve(Config{Entries: -1}, func(*Ring) error {
			t.Error("called without a ring")
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), "Config.Entries") {
			t.Errorf("error is %v", err)
		}
	})
}

func serveReturnsTheErrorOfClose(t *testing.T) {
	failure := errors.New("failure")
	var served *Ring
	err := Serve(Config{Entries: 4}, func(r *Ring) error {
		served = r
		r.drv = busyDriver{r.drv}
		r.ended-- // a request that never ends
		return failure
	})
	equal(t, "is the failure", errors.Is(err, failure), true)
	equal(t, "is busy", errors.Is(err, ErrBusy), true)
	equal(t, "closed", served.closed, false)
	closeRaw(served.drv) // nobody is left who may call Close
	live.Closed(served)
}

func serveOfWhatEndsItsGoroutine(t *testing.T) {
	var served *Ring
	err := Serve(Config{Entries: 4}, func(r *Ring) error {
		served = r
		runtime.Goexit()
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "runtime.Goexit") {
		t.Errorf("error is %v", err)
	}
	equal(t, "closed", served.closed, true)
}

// A ring may be built in one place and run in another: the thread that enables
// it becomes its owner.
func TestEnableHandsTheRingOver(t *testing.T) {
	creator := newRig(t, Config{Entries: 4, Flags: SetupRDisabled | SetupSingleIssuer})
	r := creator.Ring
	equal(t, "error of RegisterFiles before", r.RegisterFiles(2), nil)
	creator.queue(1, func(s SQE) { s.PrepNop() })
	if _, err := r.Submit(); err == nil || !strings.Contains(err.Error(), "Ring.Enable") {
		t.Errorf("Submit before Enable: %v", err)
	}

	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := r.Enable(); err != nil {
			t.Error(err)
			return
		}
		if n, err := r.SubmitAndWait(1); n != 1 || err != nil {
			t.Errorf("the new owner's SubmitAndWait: %d, %v", n, err)
		}
		if err := r.Enable(); err == nil {
			t.Error("a ring can be enabled twice")
		}
		creatorFails := make(chan error)
		go func() {
			runtime.LockOSThread() // certainly another thread
			defer runtime.UnlockOSThread()
			creatorFails <- r.UnregisterFiles()
		}()
		if err := <-creatorFails; !errors.Is(err, ErrWrongThread) {
			t.Errorf("another thread's UnregisterFiles: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	<-done
}

func TestMissingFlagIsNamed(t *testing.T) {
	if HaveSQRewind() == nil {
		t.Skip("the kernel has every flag")
	}
	_, err := New(Config{Flags: SetupSQRewind | SetupNoSQArray})
	want := "uring: SetupSQRewind not supported (needs Linux 7.0 or later): invalid argument"
	if errors.Is(have(SetupNoSQArray)(), ErrNotSupported) {
		want = "uring: SetupNoSQArray not supported (needs Linux 6.6 or later): invalid argument"
	}
	if !errors.Is(err, ErrNotSupported) || err.Error() != want {
		t.Errorf("error is %v", err)
	}
}

// A ring that polls for completions refuses files that cannot be polled, reads
// those that can, and goes on with messages.
func TestRingThatPolls(t *testing.T) {
	g := newRig(t, Config{Entries: 16, Flags: SetupSubmitAll | SetupIOPoll})
	const block, blocks = 4096, 16
	want := randomBytes(1, block*blocks)
	path := filepath.Join(t.TempDir(), "file")
	g.must(os.WriteFile(path, want, 0o600))
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_DIRECT|syscall.O_CLOEXEC, 0)
	if err == nil {
		defer syscall.Close(fd)
		p := g.arena(block * blocks).Bytes()
		for i := range blocks {
			g.queue(uint64(i), func(s SQE) { s.PrepRead(FD(fd), p[i*block:(i+1)*block], uint64(i*block)) })
		}
		for range blocks {
			c := g.next()
			if c.Err() == syscall.EOPNOTSUPP {
				continue // the file system or its disk cannot
			}
			equal(t, "result", c.Res, block)
			n := int(c.UserData) * block
			equal(t, "bytes", string(p[n:n+block]) == string(want[n:n+block]), true)
		}
	} else if err != syscall.EINVAL {
		t.Error(err)
	}
	in, _ := g.pipe()
	c := g.answer(func(s SQE) { s.PrepRead(in, held(make([]byte, 1)), CurrentOffset) })
	equal(t, "a pipe cannot be polled", c.Err() == syscall.EOPNOTSUPP || c.Err() == syscall.EINVAL, true)
	g.queue(1, SQE.PrepNop)
	equal(t, "result", g.next(), CQE{UserData: 1})
}
