package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

func TestMain(m *testing.M) { testutil.Main(m) }

// files are what the servers of these tests have.
var files = map[string]int{"empty": 0, "small": 100, "chunk": chunk, "large": 5<<20 + 7}

func content(name string) []byte {
	p := make([]byte, files[name])
	rand.New(rand.NewSource(int64(len(p)))).Read(p)
	return p
}

// start serves until stop is called, which returns what was sent.
func start(t *testing.T, zcAlways bool) (addr string, stop func() uring.SendQueueStats) {
	t.Helper()
	dir := t.TempDir()
	for name := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := server{root: root, zcAlways: zcAlways}
	ended := make(chan error)
	go func() { ended <- s.serve(ctx, l) }()
	end := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		l.Close()
		root.Close()
	})
	t.Cleanup(end)
	return l.Addr().String(), func() uring.SendQueueStats { end(); return s.sent }
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// get asks for a file and returns the whole answer.
func get(t *testing.T, addr, name string) string {
	t.Helper()
	c := dial(t, addr)
	defer c.Close()
	if _, err := fmt.Fprintln(c, name); err != nil {
		t.Error(err)
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Error(err)
	}
	return string(answer)
}

func answerTo(name string) string {
	return fmt.Sprintf("ok %d\n%s", files[name], content(name))
}

func TestFilesAreSent(t *testing.T) {
	for _, zcAlways := range []bool{false, true} {
		addr, stop := start(t, zcAlways)
		var all sync.WaitGroup
		for name := range files {
			for range 3 {
				all.Add(1)
				go func() {
					defer all.Done()
					if get(t, addr, name) != answerTo(name) {
						t.Errorf("another answer than the file %s", name)
					}
				}()
			}
		}
		all.Wait()
		sent := stop()
		t.Logf("%d of %d sends were zero-copy sends", sent.ZeroCopy, sent.Requests)
		switch {
		case uring.HaveSendZC() != nil:
		case sent.ZeroCopy == 0:
			t.Error("nothing was sent without a copy")
		case zcAlways && sent.ZeroCopy < sent.Requests/2:
			t.Errorf("%d of %d sends were zero-copy sends", sent.ZeroCopy, sent.Requests)
		}
	}
}

func TestWhatIsNotThereIsSaid(t *testing.T) {
	addr, _ := start(t, false)
	for _, name := range []string{"missing", "../outside", "/etc/hostname", "."} {
		if answer := get(t, addr, name); !strings.HasPrefix(answer, "error ") {
			t.Errorf("answer to %q: %q", name, answer)
		}
	}
}

// A name may come in pieces. One that does not end is no request.
func TestRequestInPieces(t *testing.T) {
	addr, _ := start(t, false)
	c := dial(t, addr)
	for _, part := range []string{"sm", "all", "\n"} {
		if _, err := c.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if answer, err := io.ReadAll(c); err != nil || string(answer) != answerTo("small") {
		t.Errorf("answer of %d bytes, %v", len(answer), err)
	}
	c = dial(t, addr)
	if _, err := c.Write(bytes.Repeat([]byte{'x'}, maxName)); err != nil {
		t.Fatal(err)
	}
	if answer, _ := io.ReadAll(c); len(answer) > 0 {
		t.Errorf("answer to a name without an end: %q", answer)
	}
}

func TestClientsThatLeaveInTheMiddle(t *testing.T) {
	addr, _ := start(t, true)
	for i := range 10 {
		c := dial(t, addr)
		if _, err := c.Write([]byte("large\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1000*i)); err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if get(t, addr, "large") != answerTo("large") {
		t.Error("another answer than the file")
	}
}
