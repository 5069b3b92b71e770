//go:build linux

package command

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/uring-go/uring/internal/testutil"
)

// dial connects to an address as flags name it.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	network := "tcp"
	if path, ok := unixPath(address); ok {
		network, address = "unix", path
	}
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// echoes checks that the proxy brings back what it is sent.
func echoes(t *testing.T, address, text string) {
	t.Helper()
	c := dial(t, address)
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); string(got) != text || err != nil {
		t.Errorf("%q and %v came back, want %q", got, err, text)
	}
}

func TestProxyForwardsBetweenUNIXSockets(t *testing.T) {
	dir := t.TempDir()
	for _, at := range []string{"unix:" + filepath.Join(dir, "in"), "unix:@uring-test-" + filepath.Base(dir)} {
		for _, fixed := range []bool{false, true} {
			inner := startProxy(t, startTarget(t, echo), func(c *proxyConfig) { c.listen, c.fixedFiles, c.maxConns = at+"-inner", fixed, 16 })
			outer := startProxy(t, inner.addr, func(c *proxyConfig) { c.listen, c.fixedFiles, c.maxConns = at, fixed, 16 })
			if outer.addr != at {
				t.Errorf("listens at %s, want %s", outer.addr, at)
			}
			echoes(t, at, "through two sockets")
			outer.stop(t)
			inner.stop(t)
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		}
	}
}

// A socket file of a program that is gone is replaced, that of one that listens is not,
// and the file of a successor is not removed.
func TestUNIXSocketFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	first, err := listenUnix(t.Context(), path)
	if err != nil {
		t.Fatalf("in place of a stale file: %v", err)
	}
	if _, err := listenUnix(t.Context(), path); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "another program listens there") {
		t.Errorf("beside another: %v", err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	second, err := listenUnix(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	first.close()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the successor's file is gone: %v", err)
	}
	second.close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(t.Context(), path); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("in place of a file: %v", err)
	}
}

func TestIPv4WildcardListensOnIPv4Only(t *testing.T) {
	testutil.NeedIPv6(t)
	p := startProxy(t, startTarget(t, echo), func(c *proxyConfig) { c.listen = "0.0.0.0:0" })
	_, port, _ := net.SplitHostPort(p.addr)
	echoes(t, "127.0.0.1:"+port, "IPv4")
	l, err := net.Listen("tcp6", "[::]:"+port)
	if err != nil {
		t.Fatalf("the port is taken for IPv6: %v", err)
	}
	l.Close()
	p.stop(t)
}

func TestProxyRefusesToForwardToItself(t *testing.T) {
	socket := "unix:" + filepath.Join(t.TempDir(), "s")
	free := strings.TrimPrefix(closedPort(t), "127.0.0.1:")
	for listen, to := range map[string]string{
		"127.0.0.1:" + free: "127.0.0.1:" + free, "0.0.0.0:" + free: "127.0.0.7:" + free, ":" + free: "localhost:" + free, socket: socket,
		"unix:@uring-itself": "unix:@uring-itself",
	} {
		c := proxyDefaults()
		c.listen, c.to = listen, targetList{to}
		if _, err := runProxy(t.Context(), c); err == nil || !strings.Contains(err.Error(), "forward to itself") {
			t.Errorf("%s to %s: %v", listen, to, err)
		}
	}
	for args, want := range map[string]string{
		"-listen :0 -to 127.0.0.1:0":       "port 0",
		"-listen :0 -to 127.0.0.1:":        "port 0",
		"-listen :0 -to 127.0.0.1":         "missing port",
		"-listen /run/x:1 -to :1":          "unix:",
		"-listen unix: -to :1":             "path of 0 bytes",
		"-listen :0 -to :1 -keepalive 1ms": "-keepalive 1ms",
	} {
		status, _, stderr := start(t, append([]string{"proxy"}, strings.Fields(args)...)...).end(t)
		if status != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %q, want %q", args, status, stderr, want)
		}
	}
}

// socketUnit starts the proxy as systemd starts the service of a socket unit.
func socketUnit(t *testing.T, l *net.TCPListener, env string, args ...string) *exec.Cmd {
	t.Helper()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	// Only the process itself knows its number before it starts.
	cmd := program(args...)
	cmd.Args = append([]string{"sh", "-c", "export LISTEN_PID=$$; " + env + ` exec "$0" "$@"`, cmd.Path}, args...)
	if cmd.Path, err = exec.LookPath("sh"); err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{file}
	return cmd
}

func TestProxyTakesOverTheSocketOfSystemd(t *testing.T) {
	l := testutil.Listen(t)
	to := startTarget(t, echo)
	cmd := socketUnit(t, l, "LISTEN_FDS=1", "proxy", "-listen", "systemd", "-to", to)
	p := startCommand(t, cmd)
	if p.addr != l.Addr().String() {
		t.Errorf("listens at %s, want %v", p.addr, l.Addr())
	}
	echoes(t, p.addr, "by systemd's socket")
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Errorf("%v: %s", err, p.stderr.String())
	}
	for env, want := range map[string]string{
		"": "LISTEN_FDS is not set", "LISTEN_FDS=2": "want 1 socket", "LISTEN_FDS=1 LISTEN_PID=1": "the sockets are another's",
	} {
		out, err := socketUnit(t, l, env, "proxy", "-listen", "systemd", "-to", to).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("with %s: %v, %q, want %q", env, err, out, want)
		}
	}
}
