package uring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/live"
)

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
	p1 := []byte("written by a ring of another process")
	for i := range p1 { // around the queue
		equal(t, "result", one(t, r, func(s SQE) { s.PrepWrite(FD(f.Fd()), p1[i:i+1], uint64(i)) }).Res, 1)
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
		for range 20 {
			equal(t, "result", one(t, r, func(s SQE) { s.PrepNop() }).Res, 0)
		}

		_, err = OpenFD(fd, p)
		equal(t, "a used ring is ErrBusy", errors.Is(err, ErrBusy), true)
		equal(t, "the ring goes on", one(t, r, func(s SQE) { s.PrepNop() }).Res, 0)
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
