package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/uring-go/uring/cmd/internal/command"
)

const asProgram = "URING_TEST_AS_PROGRAM=1"

func TestMain(m *testing.M) {
	if os.Getenv("URING_TEST_AS_PROGRAM") != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestMetricsAreWhatTheFiguresSay(t *testing.T) {
	f := command.Figures{
		Connections: 5, Open: 2, Received: 1 << 40, BuffersOut: 7, Draining: true,
		Ended: map[string]uint64{"orderly": 3}, Targets: map[string]bool{"a:1": true, "b:2": false},
	}
	c := collector{func() command.Figures { return f }}
	want := `# HELP uring_proxy_buffers_lent Receive buffers with bytes that are still to be sent.
# TYPE uring_proxy_buffers_lent gauge
uring_proxy_buffers_lent 7
# HELP uring_proxy_connections_ended_total Connections that are over, by how they ended.
# TYPE uring_proxy_connections_ended_total counter
uring_proxy_connections_ended_total{how="orderly"} 3
# HELP uring_proxy_received_bytes_total Bytes received, from clients and targets.
# TYPE uring_proxy_received_bytes_total counter
uring_proxy_received_bytes_total 1.099511627776e+12
# HELP uring_proxy_target_up Whether connections go to the target: 0 after one was refused, until one succeeds.
# TYPE uring_proxy_target_up gauge
uring_proxy_target_up{target="a:1"} 1
uring_proxy_target_up{target="b:2"} 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "uring_proxy_buffers_lent", "uring_proxy_connections_ended_total",
		"uring_proxy_received_bytes_total", "uring_proxy_target_up"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

func TestHealth(t *testing.T) {
	for want, f := range map[string]command.Figures{
		"200 ok, 1 of 2 targets are up": {Targets: map[string]bool{"a": true, "b": false}},
		"503 no target is up":           {Targets: map[string]bool{"a": false}},
		"503 draining":                  {Targets: map[string]bool{"a": true}, Draining: true},
	} {
		at, stop, err := serve("127.0.0.1:0", false, func() command.Figures { return f })
		if err != nil {
			t.Fatal(err)
		}
		if got := get(t, at, "/healthz"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := get(t, at, "/debug/pprof/"); !strings.HasPrefix(got, "404") {
			t.Errorf("without -pprof: %.100s", got)
		}
		stop()
	}
}

// get returns the status and the text of a page.
func get(t *testing.T, at, path string) string {
	t.Helper()
	c := http.Client{Timeout: 20 * time.Second}
	defer c.CloseIdleConnections()
	r, err := c.Get("http://" + at + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(r.Status[:4] + string(b))
}

// The program as a whole: what a connection did is in its metrics soon.
func TestProxyTellsOfItsConnections(t *testing.T) {
	target, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		for c, err := target.Accept(); err == nil; c, err = target.Accept() {
			_, _ = c.Write([]byte("hello"))
			c.Close()
		}
	}()
	cmd := exec.Command(os.Args[0], "proxy", "-listen", "127.0.0.1:0", "-to", target.Addr().String(), "-metrics", "127.0.0.1:0", "-pprof", "-log", "json")
	cmd.Env = append(os.Environ(), asProgram)
	at, monitor := start(t, cmd)
	c, err := net.Dial("tcp4", at)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	c.Close()
	for begin := time.Now(); !strings.Contains(get(t, monitor, "/metrics"), `uring_proxy_connections_ended_total{how="orderly"} 1`); {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("not there:\n%s", get(t, monitor, "/metrics"))
		}
	}
	if got := get(t, monitor, "/metrics"); !strings.Contains(got, "\nuring_proxy_sent_bytes_total 5\n") {
		t.Errorf("5 bytes were sent:\n%s", got)
	}
	if got := get(t, monitor, "/debug/pprof/cmdline"); !strings.HasPrefix(got, "200") {
		t.Errorf("with -pprof: %s", got)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// start starts a proxy and returns where it listens, and where its metrics are.
func start(t *testing.T, cmd *exec.Cmd) (at, monitor string) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	find := func(r *bufio.Reader, pattern string) string {
		line, _ := r.ReadString('\n')
		m := regexp.MustCompile(pattern).FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("it says %q", line)
		}
		return m[1]
	}
	monitor = find(bufio.NewReader(stderr), `"msg":"metrics","address":"([^"]+)"`)
	return find(bufio.NewReader(stdout), `listening on (\S+),`), monitor
}
