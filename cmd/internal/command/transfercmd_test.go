//go:build linux

package command

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/testutil"
)

// A runningCommand is "uring args..." in the test's process.
type runningCommand struct {
	stdout, stderr string // files
	status         chan int
}

// start runs a command with its output going to files. Until end was called no
// other may be started.
func start(t *testing.T, args ...string) *runningCommand {
	t.Helper()
	dir := t.TempDir()
	c := &runningCommand{filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr"), make(chan int, 1)}
	redirect(t, &os.Stdout, c.stdout)
	redirect(t, &os.Stderr, c.stderr)
	go func() { c.status <- run(args) }()
	return c
}

func redirect(t *testing.T, std **os.File, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	old := *std
	*std = f
	t.Cleanup(func() {
		*std = old
		f.Close()
	})
}

// end waits for the command and returns its exit status and what it printed.
func (c *runningCommand) end(t *testing.T) (status int, stdout, stderr string) {
	t.Helper()
	select {
	case status = <-c.status:
	case <-time.After(30 * time.Second):
		t.Fatal("the command does not end")
	}
	return status, read(t, c.stdout), read(t, c.stderr)
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// listening returns the address that the sink prints.
func (c *runningCommand) listening(t *testing.T) string {
	t.Helper()
	line := regexp.MustCompile(`^listening on (\S+)\n`)
	for range 1000 {
		if m := line.FindStringSubmatch(read(t, c.stdout)); m != nil {
			return m[1]
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("the sink does not print its address: %q", read(t, c.stdout))
	return ""
}

func TestMisuseIsExplainedAndExitsWith2(t *testing.T) {
	for args, want := range map[string]string{
		"sink":                                           "-listen is missing",
		"sink -listen 127.0.0.1:0 -conns -1":             "-conns is -1",
		"sink -listen 127.0.0.1:0 -stats -1s":            "-stats is -1s",
		"sink -listen 127.0.0.1:0 -rate 1X":              `"1X" is no number of bytes`,
		"sink -listen 127.0.0.1:0 extra":                 `unexpected argument "extra"`,
		"sink -verbose":                                  "-verbose",
		"send -bytes 1":                                  "-to is missing",
		"send -to 127.0.0.1:1":                           "either -bytes or -file",
		"send -to 127.0.0.1:1 -bytes 1 -file x":          "either -bytes or -file",
		"send -to 127.0.0.1:1 -bytes 1 -repeat 2":        "-repeat goes with -file",
		"send -to 127.0.0.1:1 -file x -seed 2":           "-seed goes with -bytes",
		"send -to 127.0.0.1:1 -file x -repeat 0":         "-repeat is 0",
		"send -to 127.0.0.1:1 -bytes 1 -msg-size 0":      "-msg-size is 0",
		"send -to 127.0.0.1:1 -bytes 1 -msg-size 2GiB":   "-msg-size is 2147483648, want 1 to 1GiB",
		"send -to 127.0.0.1:1 -bytes 1 -conns 0":         "-conns is 0",
		"send -to 127.0.0.1:1 -bytes many":               `"many" is no number of bytes`,
		"send -to 127.0.0.1:1 -bytes 1 -msg-size 1.5KiB": `"1.5KiB" is no number of bytes`,
	} {
		t.Run(args, func(t *testing.T) {
			status, stdout, stderr := start(t, strings.Fields(args)...).end(t)
			if status != 2 || stdout != "" || !strings.Contains(stderr, want) {
				t.Errorf("status %d, stdout %q, stderr %q; want 2, nothing, and a sentence with %q", status, stdout, stderr, want)
			}
		})
	}
}

func TestWhatCannotWorkIsExplainedAndExitsWith1(t *testing.T) {
	busy := testutil.Listen(t).Addr().String()
	for args, want := range map[string]string{
		"send -bytes 1 -to " + closedPort(t):          "connect: connection refused",
		"send -bytes 1 -to 127.0.0.1":                 "missing port",
		"send -file /no/such/file -to 127.0.0.1:1":    "/no/such/file: no such file",
		"send -file / -to 127.0.0.1:1":                "/ is not a regular file",
		"sink -listen " + busy:                        "address already in use",
		"sink -listen 127.0.0.1":                      "missing port",
		"send -bytes 1 -conns 2 -to " + closedPort(t): "2 of 2 connections failed",
	} {
		t.Run(args, func(t *testing.T) {
			status, _, stderr := start(t, strings.Fields(args)...).end(t)
			if status != 1 || !strings.Contains(stderr, want) {
				t.Errorf("status %d, stderr %q; want 1 and a sentence with %q", status, stderr, want)
			}
		})
	}
}

func TestSinkPrintsAddressConnectionAndTotal(t *testing.T) {
	sink := start(t, "sink", "-listen", "127.0.0.1:0", "-sha256", "-conns", "1")
	c, err := net.Dial("tcp", sink.listening(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	c.Close()
	status, stdout, stderr := sink.end(t)
	if status != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q; want 0 and nothing", status, stderr)
	}
	want := `^listening on 127\.0\.0\.1:\d+
conn=0 peer=127\.0\.0\.1:\d+ bytes=3 duration=\d+\.\d+s MB/s=\d+\.\d sha256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
total conns=1 failed=0 interrupted=0 bytes=3 duration=\d+\.\d+s MB/s=\d+\.\d
$`
	if !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("stdout is %q, want a match of %s", stdout, want)
	}
}

func TestSendPrintsConnectionAndTotal(t *testing.T) {
	l := testutil.Listen(t)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		io.Copy(io.Discard, c)
		c.Close()
	}()
	file := tempFile(t, []byte("abc"))
	status, stdout, stderr := start(t, "send", "-to", l.Addr().String(), "-file", file, "-msg-size", "1K", "-sha256").end(t)
	if status != 0 || stderr != "" {
		t.Errorf("status %d, stderr %q; want 0 and nothing", status, stderr)
	}
	want := `^conn=0 peer=127\.0\.0\.1:\d+ bytes=3 duration=\d+\.\d+s MB/s=\d+\.\d sha256=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
total conns=1 failed=0 interrupted=0 bytes=3 duration=\d+\.\d+s MB/s=\d+\.\d
$`
	if !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("stdout is %q, want a match of %s", stdout, want)
	}
}

func TestSinkEndsAtSIGINTWithATotalAndExitsWith0(t *testing.T) {
	sink := start(t, "sink", "-listen", "127.0.0.1:0", "-stats", "1ms")
	c, err := net.Dial("tcp", sink.listening(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, 777)); err != nil {
		t.Fatal(err)
	}
	for range 1000 { // until it has arrived
		if strings.Contains(read(t, sink.stderr), "bytes=777 ") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := sink.end(t)
	if status != 0 {
		t.Errorf("status %d, stderr %q; want 0", status, stderr)
	}
	for _, want := range []string{`error="interrupted"`, "total conns=1 failed=0 interrupted=1 bytes=777 "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("stdout is %q, want it to contain %q", stdout, want)
		}
	}
	if want := "open=1 ended=0 bytes=777 "; !strings.Contains(stderr, want) {
		t.Errorf("stderr is %q, want it to contain %q", stderr, want)
	}
}

func TestSinkExitsWith1AfterAReset(t *testing.T) {
	sink := start(t, "sink", "-listen", "127.0.0.1:0", "-conns", "1")
	c, err := net.Dial("tcp", sink.listening(t))
	if err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	status, stdout, stderr := sink.end(t)
	if status != 1 || !strings.Contains(stderr, "1 of 1 connections failed") {
		t.Errorf("status %d, stderr %q; want 1 and the reason", status, stderr)
	}
	if want := `error="connection reset by peer"`; !strings.Contains(stdout, want) {
		t.Errorf("stdout is %q, want it to contain %q", stdout, want)
	}
}

func TestCommandExitsWith1WhenSomethingIsLeftOpen(t *testing.T) {
	arena, err := uring.NewArena(uring.ArenaConfig{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer arena.Close()
	sink := start(t, "sink", "-listen", "127.0.0.1:0", "-conns", "1")
	c, err := net.Dial("tcp", sink.listening(t))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	status, _, stderr := sink.end(t)
	if status != 1 || !strings.Contains(stderr, "1 arena never closed") {
		t.Errorf("status %d, stderr %q; want 1 and what is open", status, stderr)
	}
}
