//go:build linux

package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// directFile opens a file past the page cache, or skips the test.
func directFile(t *testing.T, e *Engine, name string) *File {
	t.Helper()
	f, err := e.OpenFile(name, os.O_RDWR|syscall.O_DIRECT, 0)
	if errors.Is(err, syscall.EINVAL) {
		t.Skip("the file system has no direct I/O")
	}
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	return f
}

// Direct reads work at any offset, with any length and buffer.
func TestDirect(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *Engine) {
		name, want := written(t, 300_001)
		testDirect(t, e, name, want)
	})
}

func testDirect(t *testing.T, e *Engine, name string, want []byte) {
	f := directFile(t, e, name)
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 30 {
				p, off := make([]byte, rand.IntN(30_000)), rand.IntN(len(want)+100)
				if rand.IntN(3) == 0 {
					off = off / 4096 * 4096
				}
				n, err := f.ReadAt(p, int64(off))
				w := want[min(off, len(want)):min(off+len(p), len(want))]
				if n != len(w) || !bytes.Equal(p[:n], w) || len(p) > 0 && (err == io.EOF) != (len(w) < len(p)) {
					t.Errorf("%d bytes at %d: %d, %v", len(p), off, n, err)
				}
			}
		}()
	}
	wg.Wait()
	var all bytes.Buffer
	if n, err := f.WriteTo(&all); err != nil || int(n) != len(want) || !bytes.Equal(all.Bytes(), want) {
		t.Errorf("all of it: %d, %v", n, err)
	}
	parts := make([]Part, 40)
	for i := range parts {
		parts[i] = Part{Buf: make([]byte, 4096+i%2), Off: int64(i * 8192)}
		if i%4 == 0 {
			parts[i].Buf = aligned(4096)
		}
	}
	if err := f.ReadBatch(parts); err != io.EOF {
		t.Errorf("ReadBatch: %v", err)
	}
	for i, p := range parts {
		w := want[min(int(p.Off), len(want)):min(int(p.Off)+len(p.Buf), len(want))]
		if p.N != len(w) || !bytes.Equal(p.Buf[:p.N], w) || (p.Err == io.EOF) != (len(w) < len(p.Buf)) || p.Err != nil && p.Err != io.EOF {
			t.Errorf("part %d: %d, %v", i, p.N, p.Err)
		}
	}
	for _, off := range []int64{0, 4096, 299_008} {
		b, err := f.ReadBuf(t.Context(), 10_000, off)
		must(t, err)
		if !bytes.Equal(b.Bytes(), want[off:min(int(off)+10_000, len(want))]) {
			t.Errorf("ReadBuf at %d: %d bytes differ", off, len(b.Bytes()))
		}
		b.Release()
	}
	if _, err := f.ReadBuf(t.Context(), 10, 303_104); err != io.EOF {
		t.Errorf("ReadBuf at the end: %v", err)
	}
	testDirectWrites(t, f, name, want)
}

func aligned(n int) []byte {
	m := memory{}
	return m.get(n).mem
}

func testDirectWrites(t *testing.T, f *File, name string, want []byte) {
	for i, p := range [][]byte{aligned(8192), make([]byte, 8192+1)[1:]} {
		copy(p, random(len(p)))
		if n, err := f.WriteAt(p, int64(i)*16384); n != len(p) || err != nil {
			t.Errorf("write of %d: %d, %v", len(p), n, err)
		}
		copy(want[i*16384:], p)
	}
	parts := make([]Part, 20)
	for i := range parts {
		parts[i] = Part{Buf: aligned(4096), Off: int64(i) * 8192}
		copy(parts[i].Buf, random(4096))
		copy(want[parts[i].Off:], parts[i].Buf)
	}
	before := f.engine.Stats()
	must(t, f.WriteBatch(parts))
	if after := f.engine.Stats(); after.Ring && f.nowait.Load() != cannot && after.Rings < before.Rings+20 {
		t.Errorf("%d requests of a batch of 20 went to the ring", after.Rings-before.Rings)
	}
	data, err := os.ReadFile(name)
	must(t, err)
	if !bytes.Equal(data, want) {
		t.Error("the file differs")
	}
	if f.direct.asked && f.direct.offset > 1 {
		_, err := f.WriteAt(make([]byte, 100), 0)
		if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), fmt.Sprint(f.direct.offset)) {
			t.Errorf("a write of 100 bytes: %v", err)
		}
	}
}
