//go:build linux

package uring

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/uring-go/uring/cgo"
	"github.com/uring-go/uring/internal/kernel"
	"github.com/uring-go/uring/internal/testutil"
)

func TestVectorsAreWrittenAndRead(t *testing.T) {
	p := newTrip(t, Config{})
	f, path := p.file()
	fd := FD(f.Fd())
	p.want(6, func(s SQE) error {
		return s.PrepWritev(fd, [][]byte{held([]byte("ab")), nil, held([]byte("cdef"))}, 2, 0)
	})
	if got, want := p.content(path), "\x00\x00abcdef"; got != want {
		t.Errorf("the file has %q, want %q", got, want)
	}
	parts := [][]byte{make([]byte, 3), make([]byte, 10)}
	p.want(5, func(s SQE) error { return s.PrepReadv(fd, parts, 3, 0) })
	if got := [2]string{string(parts[0]), string(parts[1][:2])}; got != [2]string{"bcd", "ef"} {
		t.Errorf("read %q", got)
	}
}

func TestVectorsHonourFlags(t *testing.T) {
	p := newTrip(t, Config{})
	f, path := p.file()
	fd := FD(f.Fd())
	for _, part := range []string{"one ", "two"} {
		p.want(len(part), func(s SQE) error { return s.PrepWritev(fd, [][]byte{held([]byte(part))}, 0, RWAppend) })
	}
	if got := p.content(path); got != "one two" {
		t.Errorf("the file has %q", got)
	}
	// Of what can be waited for, only this takes the flag on every kernel.
	event := newEventFD(p)
	p.must(syscall.SetNonblock(event, false))
	p.fails(syscall.EAGAIN, func(s SQE) error {
		return s.PrepReadv(FD(event), [][]byte{held(make([]byte, 8))}, CurrentOffset, RWNowait)
	})
	p.fails(syscall.EOPNOTSUPP, func(s SQE) error { return s.PrepReadv(fd, nil, 0, 1<<30) })
}

func TestVectorsOfRegisteredBuffers(t *testing.T) {
	p := newTrip(t, Config{})
	p.needOp(cgo.OpReadvFixed, 6, 15)
	a, err := NewArena(ArenaConfig{Size: 4096})
	p.must(err)
	defer a.Close()
	b, err := p.RegisterArena(a)
	p.must(err)
	defer p.UnregisterArena(b)
	mem := b.Bytes()
	copy(mem, "registered buffer")

	f, path := p.file()
	fd := p.direct(FD(f.Fd()))
	p.want(9, func(s SQE) error { return s.PrepWritevFixed(fd, b, [][]byte{mem[11:17], mem[:3]}, 0, 0) })
	if got := p.content(path); got != "bufferreg" {
		t.Errorf("the file has %q", got)
	}
	p.want(9, func(s SQE) error { return s.PrepReadvFixed(fd, b, [][]byte{mem[100:106], mem[200:300]}, 0, 0) })
	if got := string(mem[100:106]) + "|" + string(mem[200:203]); got != "buffer|reg" {
		t.Errorf("read %q", got)
	}
	for name, parts := range map[string][][]byte{
		"empty":   {mem[:1], nil},
		"outside": {mem[:1], make([]byte, 1)},
	} {
		if err := p.next().PrepReadvFixed(fd, b, parts, 0, 0); err == nil {
			t.Errorf("a part that is %s is not refused", name)
		}
	}
}

func TestTooManyPartsAreRefused(t *testing.T) {
	p := newTrip(t, Config{})
	f, _ := p.file()
	parts := make([][]byte, 1025)
	for i := range parts {
		parts[i] = []byte("x")
	}
	if err := p.next().PrepWritev(FD(f.Fd()), parts, 0, 0); err == nil {
		t.Error("1025 parts are not refused")
	}
	p.want(1024, func(s SQE) error { return s.PrepWritev(FD(f.Fd()), parts[:1024], 0, 0) })
}

// The kernel copies what an entry points at when it takes the entry: that the
// place in the queue is used again must not change requests that still wait.
func TestPathsAndVectorsAreFreeAfterSubmit(t *testing.T) {
	for _, flags := range []SetupFlags{0, SetupSQPoll} {
		p := newTrip(t, Config{Entries: 1, Flags: flags})
		dir := t.TempDir()
		in, out := p.pipe()
		queue := func(prep func(SQE) error) {
			t.Helper()
			s, err := p.NextSQE()
			for errors.Is(err, ErrSQFull) { // the kernel's thread is about to take the last
				s, err = p.NextSQE()
			}
			p.must(err)
			p.must(prep(s))
			_, err = p.Submit()
			p.must(err)
		}
		var got [4][2]byte
		for i := range got { // all wait for the pipe
			queue(func(s SQE) error { return s.PrepReadv(in, [][]byte{got[i][:1], got[i][1:]}, CurrentOffset, 0) })
		}
		for _, name := range []string{"a", "b", "c"} {
			queue(func(s SQE) error {
				p.must(s.PrepMkdirat(AtFDCWD, dir+"/"+strings.Repeat(name, 200), 0o755))
				return s.SetFlags(Async)
			})
		}
		_, err := syscall.Write(int(out), []byte("12345678"))
		p.must(err)
		for range 7 {
			p.must(p.wait().Err())
		}
		if s := string(bytes.Join([][]byte{got[0][:], got[1][:], got[2][:], got[3][:]}, nil)); len(s) != 8 || strings.ContainsRune(s, 0) {
			t.Errorf("%v: read %q", flags, s)
		}
		for _, name := range []string{"a", "b", "c"} {
			if _, err := os.Stat(dir + "/" + strings.Repeat(name, 200)); err != nil {
				t.Errorf("%v: %v", flags, err)
			}
		}
	}
}

func TestReadMultishot(t *testing.T) {
	testutil.Need(t, HaveReadMultishot)
	p := newTrip(t, Config{})
	br, err := p.NewBufRing(BufRingConfig{Group: 1, Entries: 4, BufSize: 16})
	p.must(err)
	in, out := p.pipe()
	s := p.next()
	p.must(s.PrepReadMultishot(in, br))
	for _, want := range []string{"first", "second", "sixteen bytes !!", "last"} {
		_, err := p.Submit()
		p.must(err)
		_, err = syscall.Write(int(out), []byte(want))
		p.must(err)
		c := p.wait()
		p.must(c.Err())
		if !c.More() {
			t.Errorf("%q: no further completions to come", want)
		}
		p.must(br.Consume(c, func(got []byte) error {
			if string(got) != want {
				t.Errorf("read %q, want %q", got, want)
			}
			return nil
		}))
	}
	f, _ := p.file()
	p.fails(cgo.EBadFD, func(s SQE) error { return s.PrepReadMultishot(FD(f.Fd()), br) })
	p.fails(syscall.EINVAL, func(s SQE) error {
		defer func() { s.Len = 8 }() // which the kernel could take as a limit
		return s.PrepReadMultishot(in, br)
	})
}

func TestFallocateAndFtruncate(t *testing.T) {
	p := newTrip(t, Config{})
	f, _ := p.file()
	size := func() int64 {
		st, err := f.Stat()
		p.must(err)
		return st.Size()
	}
	p.want(0, noErr(func(s SQE) { s.PrepFallocate(FD(f.Fd()), 0, 4096, 5000) }))
	if got := size(); got != 9096 {
		t.Errorf("fallocate made %d bytes", got)
	}
	p.needOp(cgo.OpFtruncate, 6, 9)
	p.want(0, noErr(func(s SQE) { s.PrepFtruncate(FD(f.Fd()), 77) }))
	if got := size(); got != 77 {
		t.Errorf("ftruncate made %d bytes", got)
	}
	p.fails(syscall.EINVAL, noErr(func(s SQE) { s.PrepFtruncate(FD(f.Fd()), -1) }))
}

func TestFsync(t *testing.T) {
	p := newTrip(t, Config{})
	f, path := p.file()
	fd := FD(f.Fd())
	w := p.next()
	w.PrepWrite(fd, held([]byte("kept")), 0)
	p.must(w.SetFlags(Link))
	sync := p.next()
	sync.PrepFsync(fd, FsyncDatasync)
	var results []int32
	for range 2 {
		results = append(results, p.wait().Res)
	}
	if diff := cmp.Diff([]int32{4, 0}, results); diff != "" {
		t.Error(diff)
	}
	const waitBeforeWriteAfter = 1 | 2 | 4
	p.want(0, noErr(func(s SQE) { s.PrepSyncFileRange(fd, 0, 4, waitBeforeWriteAfter) }))
	p.want(0, noErr(func(s SQE) { s.PrepFsync(fd, 0) }))
	if got := p.content(path); got != "kept" {
		t.Errorf("the file has %q", got)
	}
	in, _ := p.pipe()
	p.fails(syscall.EINVAL, noErr(func(s SQE) { s.PrepFsync(in, 0) }))
	p.fails(syscall.EINVAL, noErr(func(s SQE) { s.PrepFsync(fd, 1<<5) }))
	p.fails(syscall.ESPIPE, noErr(func(s SQE) { s.PrepSyncFileRange(in, 0, 1, waitBeforeWriteAfter) }))
}

func TestFadvise(t *testing.T) {
	p := newTrip(t, Config{})
	f, _ := p.file()
	const dontNeed = 4
	p.want(0, noErr(func(s SQE) { s.PrepFadvise(FD(f.Fd()), 0, 4096, dontNeed) }))
	in, _ := p.pipe()
	p.fails(syscall.ESPIPE, noErr(func(s SQE) { s.PrepFadvise(in, 0, 0, dontNeed) }))
	p.fails(syscall.EINVAL, noErr(func(s SQE) { s.PrepFadvise(FD(f.Fd()), 0, 1, 99) }))
	c := p.complete(noErr(func(s SQE) { s.PrepFadvise(FD(f.Fd()), 0, 1<<40, dontNeed) }))
	needs(t, "advice about 4 GiB and more", kernel.V(6, 10), refusal(c))
	equal(t, "completion of advice about much", c, CQE{})
	p.fails(syscall.EINVAL, noErr(func(s SQE) { s.PrepFadvise(FD(f.Fd()), 0, -1, dontNeed) }))
}

func TestMadvise(t *testing.T) {
	p := newTrip(t, Config{})
	a, err := NewArena(ArenaConfig{Size: 2 * os.Getpagesize()})
	p.must(err)
	defer a.Close()
	page := os.Getpagesize()
	for i := range a.Bytes() {
		a.Bytes()[i] = 'x'
	}
	p.want(0, noErr(func(s SQE) { s.PrepMadvise(a.Bytes()[page:], syscall.MADV_DONTNEED) }))
	if a.Bytes()[page-1] != 'x' || a.Bytes()[page] != 0 || a.Bytes()[2*page-1] != 0 {
		t.Error("the second page, and only that, must be zero again")
	}

	huge, err := syscall.Mmap(-1, 0, 5<<30, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	p.must(err)
	defer syscall.Munmap(huge)
	huge[0], huge[len(huge)-1] = 1, 1
	c := p.complete(noErr(func(s SQE) { s.PrepMadvise(huge, syscall.MADV_DONTNEED) }))
	needs(t, "advice about 4 GiB and more", kernel.V(6, 10), refusal(c))
	equal(t, "completion of advice about much", c, CQE{})
	if huge[0] != 0 || huge[len(huge)-1] != 0 {
		t.Error("advice about 5 GiB did not reach both ends")
	}
}

func TestSpliceAndTee(t *testing.T) {
	p := newTrip(t, Config{})
	f, path := p.file()
	in, out := p.pipe()
	in2, out2 := p.pipe()
	p.must(os.WriteFile(path, []byte("0123456789"), 0o644))

	file := p.direct(FD(f.Fd()))
	p.want(4, noErr(func(s SQE) { s.PrepSplice(file, 3, out, CurrentOffset, 4, 0) })) // from a direct descriptor
	p.want(4, noErr(func(s SQE) { s.PrepTee(in, out2, 100, 0) }))
	p.want(4, noErr(func(s SQE) { s.PrepSplice(in, CurrentOffset, file, 8, 100, SpliceMove) })) // to one
	if got := p.content(path); got != "012345673456" {
		t.Errorf("the file has %q", got)
	}
	b := make([]byte, 10)
	p.want(4, noErr(func(s SQE) { s.PrepRead(in2, b, CurrentOffset) }))
	if got := string(b[:4]); got != "3456" {
		t.Errorf("tee copied %q", got)
	}
	p.fails(syscall.EAGAIN, noErr(func(s SQE) { s.PrepTee(in, out2, 1, SpliceNonblock) }))

	p.must(p.UpdateFile(DirectSlot(1), int(in)))
	p.must(p.UpdateFile(DirectSlot(2), int(out2)))
	p.want(2, noErr(func(s SQE) { s.PrepWrite(out, held([]byte("hi")), CurrentOffset) }))
	p.want(2, noErr(func(s SQE) { s.PrepTee(DirectSlot(1).FD(), DirectSlot(2).FD(), 2, 0) }))
	p.want(2, noErr(func(s SQE) { s.PrepRead(in2, b, CurrentOffset) }))
	if got := string(b[:2]); got != "hi" {
		t.Errorf("tee copied %q between direct descriptors", got)
	}
}
