//go:build linux

package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/live"
	"github.com/uring-go/uring/internal/testutil"
)

// A runningSink is a sink in the test's process.
type runningSink struct {
	addr   netip.AddrPort
	cancel context.CancelFunc
	done   chan struct{} // closed when it has returned

	// For use after wait.
	ended []connResult
	total transferResult
	err   error
}

// startSink runs a sink until the test ends, or earlier.
func startSink(t *testing.T, cfg sinkConfig) *runningSink {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &runningSink{cancel: cancel, done: make(chan struct{})}
	ready := make(chan netip.AddrPort, 1)
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	cfg.Ready = func(addr netip.AddrPort) { ready <- addr }
	cfg.Ended = func(r connResult) { s.ended = append(s.ended, r) }
	go func() {
		defer close(s.done)
		s.total, s.err = runSink(ctx, cfg)
	}()
	t.Cleanup(func() {
		cancel()
		s.wait(t)
	})
	select {
	case s.addr = <-ready:
	case <-s.done:
		t.Fatalf("the sink did not start: %v", s.err)
	}
	return s
}

// wait waits until the sink has returned.
func (s *runningSink) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		t.Fatal("the sink does not end")
	}
}

// send runs a sender and returns the result of each connection.
func send(ctx context.Context, cfg sendConfig) (ended []connResult, total transferResult, err error) {
	if cfg.MsgSize == 0 {
		cfg.MsgSize = 64 << 10
	}
	cfg.Conns = max(cfg.Conns, 1)
	cfg.Ended = func(r connResult) { ended = append(ended, r) }
	total, err = runSend(ctx, cfg)
	return ended, total, err
}

// checkSame compares what was sent with what was received, for each connection.
// Their contents differ, so their hashes tell which is which.
func checkSame(t *testing.T, sent, received []connResult) {
	t.Helper()
	byHash := cmpopts.SortSlices(func(a, b connResult) bool { return bytes.Compare(a.SHA256, b.SHA256) < 0 })
	content := cmpopts.IgnoreFields(connResult{}, "Conn", "Peer", "Duration")
	if diff := cmp.Diff(sent, received, byHash, content, cmpopts.EquateErrors()); diff != "" {
		t.Errorf("received is not what was sent (-sent +received):\n%s", diff)
	}
}

// leftOpen counts descriptors, rings, memory and goroutines. check fails the
// test if there are more by then.
func leftOpen(t *testing.T) (check func()) {
	t.Helper()
	objects, files, routines := live.Counts(), openFiles(t), runtime.NumGoroutine()
	return func() {
		t.Helper()
		if diff := cmp.Diff(objects, live.Counts()); diff != "" {
			t.Errorf("objects before and after (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(files, openFiles(t)); diff != "" {
			t.Errorf("descriptors before and after (-want +got):\n%s", diff)
		}
		for range 100 { // a goroutine may be about to end
			if runtime.NumGoroutine() <= routines {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%d goroutines before, %d after", routines, runtime.NumGoroutine())
	}
}

// openFiles returns the descriptors of the process, without those that the Go
// runtime keeps.
func openFiles(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !strings.HasPrefix(target, "anon_inode:[event") {
			files = append(files, e.Name()+" "+target)
		}
	}
	slices.Sort(files)
	return files
}

func TestSinkReceivesExactlyWhatSendSends(t *testing.T) {
	many := 100
	if testing.Short() {
		many = 10
	}
	for _, conns := range []int{1, many} {
		for _, c := range []struct {
			bytes   int64
			msgSize int
		}{
			{0, 64 << 10},
			{1, 64 << 10},
			{32, 32},
			{64 << 10, 32},
			{64<<10 + 1, 1000},
			{1 << 20, 64 << 10},
			{1 << 20, 1 << 20},
		} {
			t.Run(fmt.Sprintf("%d connections, %d bytes by %d", conns, c.bytes, c.msgSize), func(t *testing.T) {
				check := leftOpen(t)
				s := startSink(t, sinkConfig{SHA256: true, Conns: conns})
				sent, total, err := send(context.Background(), sendConfig{
					To: s.addr.String(), Bytes: c.bytes, MsgSize: c.msgSize, Conns: conns, SHA256: true, NoDelay: c.msgSize == 32,
				})
				if err != nil {
					t.Error(err)
				}
				s.wait(t)
				if s.err != nil {
					t.Error(s.err)
				}
				checkSame(t, sent, s.ended)
				want := transferResult{Conns: conns, Bytes: c.bytes * int64(conns)}
				if diff := cmp.Diff([]transferResult{want, want}, []transferResult{total, s.total}, cmpopts.IgnoreFields(want, "Duration")); diff != "" {
					t.Errorf("totals of sender and sink (-want +got):\n%s", diff)
				}
				check()
			})
		}
	}
}

func TestSendSendsTheContentOfItsSeed(t *testing.T) {
	const n = 100_000
	s := startSink(t, sinkConfig{SHA256: true})
	sent, _, err := send(context.Background(), sendConfig{To: s.addr.String(), Bytes: n, Seed: 7, MsgSize: 32, SHA256: true})
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(all(t, newRandomContent(n, randomBlock(7), 7, 0), n))
	if diff := cmp.Diff(want[:], sent[0].SHA256); diff != "" {
		t.Error(diff)
	}
}

func TestSendSendsAFileSeveralTimes(t *testing.T) {
	data := all(t, newRandomContent(10_007, randomBlock(1), 1, 0), 10_007)
	s := startSink(t, sinkConfig{SHA256: true, Conns: 2})
	sent, _, err := send(context.Background(), sendConfig{
		To: s.addr.String(), File: tempFile(t, data), Repeat: 20, MsgSize: 4096, Conns: 2, SHA256: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.wait(t)
	sum := sha256.Sum256(bytes.Repeat(data, 20))
	want := connResult{Bytes: 20 * 10_007, SHA256: sum[:]}
	checkSame(t, []connResult{want, want}, sent)
	checkSame(t, []connResult{want, want}, s.ended)
}

func TestTransferAllocatesPerConnectionAndNotPerMessage(t *testing.T) {
	const messages = 100_000
	s := startSink(t, sinkConfig{SHA256: true, Conns: 1})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := send(context.Background(), sendConfig{To: s.addr.String(), Bytes: 32 * messages, MsgSize: 32, SHA256: true, NoDelay: true}); err != nil {
		t.Fatal(err)
	}
	s.wait(t)
	runtime.ReadMemStats(&after)
	if n := after.Mallocs - before.Mallocs; n > messages/100 {
		t.Errorf("%d allocations for %d messages", n, messages)
	}
}

func TestSinkReceivesTheSameInEveryMode(t *testing.T) {
	for _, mode := range []receiveMode{{false, false}, {false, true}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("%+v", mode), func(t *testing.T) {
			if mode.Incremental {
				testutil.Need(t, uring.HaveIncremental)
			}
			if mode.Bundle {
				testutil.Need(t, func() error { return haveBundles(mode.Incremental) })
			}
			s := startSink(t, sinkConfig{SHA256: true, Conns: 10, receive: &mode})
			sent, _, err := send(context.Background(), sendConfig{
				To: s.addr.String(), Bytes: 1<<20 + 11, MsgSize: 5000, Conns: 10, SHA256: true,
			})
			if err != nil {
				t.Error(err)
			}
			s.wait(t)
			checkSame(t, sent, s.ended)
		})
	}
}

func TestSinkAndSendSpeakIPv6(t *testing.T) {
	testutil.NeedIPv6(t)
	s := startSink(t, sinkConfig{SHA256: true, Conns: 1, Listen: "[::1]:0"})
	sent, _, err := send(context.Background(), sendConfig{To: s.addr.String(), Bytes: 1000, SHA256: true})
	if err != nil {
		t.Error(err)
	}
	s.wait(t)
	checkSame(t, sent, s.ended)
	if got := s.ended[0].Peer.Addr(); got != netip.IPv6Loopback() {
		t.Errorf("the peer is %v, want ::1", got)
	}
}

func TestSendKeepsTheOrderOfSmallMessagesWhenTheSocketIsFull(t *testing.T) {
	const n = 16 << 20
	l := testutil.Listen(t)
	received := make(chan []byte, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		h := sha256.New()
		// Long stops, so that the sender has to wait many times.
		for range 10 {
			time.Sleep(20 * time.Millisecond)
			io.CopyN(h, c, n/10)
		}
		io.Copy(h, c)
		received <- h.Sum(nil)
	}()
	sent, _, err := send(context.Background(), sendConfig{To: l.Addr().String(), Bytes: n, MsgSize: 1000, SHA256: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sent[0].SHA256, <-received); diff != "" {
		t.Errorf("received is not what was sent (-sent +received):\n%s", diff)
	}
}

func TestSlowSinkTakesItsTimeAndSendWaitsForIt(t *testing.T) {
	for name, without := range map[string]string{"as it is": "", "as on older kernels": "length limits of multishot receives"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("URING_WITHOUT", without)
			slowSink(t)
		})
	}
}

func slowSink(t *testing.T) {
	const perSecond, bytes = 1 << 20, 512 << 10
	s := startSink(t, sinkConfig{SHA256: true, Conns: 3, Rate: perSecond})
	sent, _, err := send(context.Background(), sendConfig{To: s.addr.String(), Bytes: bytes, Conns: 3, SHA256: true})
	if err != nil {
		t.Error(err)
	}
	s.wait(t)
	checkSame(t, sent, s.ended)
	least := time.Second * bytes / perSecond
	for _, r := range s.ended {
		if r.Duration < least || r.Duration > 40*least {
			t.Errorf("connection %d was read within %v, want %v or a little more", r.Conn, r.Duration, least)
		}
	}
	for _, r := range sent {
		if r.Duration < least/2 {
			t.Errorf("connection %d was over after %v, although its reader needs %v", r.Conn, r.Duration, least)
		}
	}
}

func TestSinkReportsProgress(t *testing.T) {
	progress := make(chan sinkProgress, 1000)
	s := startSink(t, sinkConfig{Stats: 5 * time.Millisecond, Progress: func(p sinkProgress) {
		select {
		case progress <- p:
		default:
		}
	}})
	if _, _, err := send(context.Background(), sendConfig{To: s.addr.String(), Bytes: 12345, Conns: 2}); err != nil {
		t.Fatal(err)
	}
	want := sinkProgress{Ended: 2, Bytes: 2 * 12345}
	for deadline := time.After(10 * time.Second); ; {
		select {
		case got := <-progress:
			if got == want {
				return
			}
		case <-deadline:
			t.Fatalf("%+v was never reported", want)
		}
	}
}

func TestSendSaysThatTheTargetRefuses(t *testing.T) {
	check := leftOpen(t)
	ended, total, err := send(context.Background(), sendConfig{To: closedPort(t), Bytes: 100, Conns: 3})
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("error is %v, want one that wraps ECONNREFUSED", err)
	}
	if len(ended) != 3 || total.Failed != 3 {
		t.Errorf("%d connections ended, %d of them failed; want 3 of 3", len(ended), total.Failed)
	}
	for _, r := range ended {
		if !errors.Is(r.Err, syscall.ECONNREFUSED) || r.Bytes != 0 {
			t.Errorf("connection %d: %d bytes, %v; want 0, ECONNREFUSED", r.Conn, r.Bytes, r.Err)
		}
	}
	check()
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestSendReportsAReset(t *testing.T) {
	for _, msgSize := range []int{32, 64 << 10} {
		t.Run(fmt.Sprintf("messages of %d bytes", msgSize), func(t *testing.T) {
			check := leftOpen(t)
			l := testutil.Listen(t)
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				io.ReadFull(c, make([]byte, 100_000))
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
			}()
			ended, total, err := send(context.Background(), sendConfig{To: l.Addr().String(), Bytes: 1 << 30, MsgSize: msgSize})
			if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("error is %v, want one that wraps ECONNRESET or EPIPE", err)
			}
			if len(ended) != 1 || total.Failed != 1 || total.Bytes < 100_000 {
				t.Errorf("%d connections ended, total %v; want 1, failed, with 100000 bytes or more", len(ended), total)
			}
			l.Close()
			check()
		})
	}
}

func TestSinkReportsAResetAndGoesOn(t *testing.T) {
	check := leftOpen(t)
	s := startSink(t, sinkConfig{SHA256: true, Conns: 2})
	c, err := net.Dial("tcp", s.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	sent, _, err := send(context.Background(), sendConfig{To: s.addr.String(), Bytes: 1000, SHA256: true})
	if err != nil {
		t.Error(err)
	}
	s.wait(t)
	if !errors.Is(s.err, syscall.ECONNRESET) {
		t.Errorf("error is %v, want one that wraps ECONNRESET", s.err)
	}
	var whole []connResult
	for _, r := range s.ended {
		if r.Err == nil {
			whole = append(whole, r)
		} else if !errors.Is(r.Err, syscall.ECONNRESET) {
			t.Errorf("connection %d: %v, want ECONNRESET", r.Conn, r.Err)
		}
	}
	checkSame(t, sent, whole)
	if s.total.Conns != 2 || s.total.Failed != 1 {
		t.Errorf("total is %v, want 2 connections, 1 failed", s.total)
	}
	check()
}

// Its receive misses the reset; the poll beside it does not.
func TestSinkNoticesAResetBehindMuchData(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	total, err := runSink(ctx, sinkConfig{
		Listen: "127.0.0.1:0", Conns: 1, receive: &receiveMode{},
		Ready: func(addr netip.AddrPort) { testutil.ResetBehindData(t, listenerAt(t, addr)) },
	})
	// Older kernels drop the bytes that came before it.
	if !errors.Is(err, syscall.ECONNRESET) || total.Failed != 1 {
		t.Errorf("total is %v, error %v; want a connection that is reset", total, err)
	}
}

// listenerAt returns a copy of the process's listener.
func listenerAt(t *testing.T, addr netip.AddrPort) *net.TCPListener {
	t.Helper()
	for fd := range 1000 {
		if listens, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN); err != nil || listens == 0 {
			continue
		}
		other, err := syscall.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(other), "listener")
		l, err := net.FileListener(file)
		file.Close()
		if err == nil && l.Addr().String() == addr.String() {
			t.Cleanup(func() { l.Close() })
			return l.(*net.TCPListener)
		}
	}
	t.Fatalf("nobody listens at %v", addr)
	return nil
}

func TestSinkIgnoresACompletionOfAConnectionThatIsOver(t *testing.T) {
	err := uring.Serve(uring.Config{}, func(r *uring.Ring) error {
		buffers, err := r.NewBufRing(uring.BufRingConfig{Entries: 1, BufSize: 16})
		if err != nil {
			return err
		}
		over := &sinkConn{slot: 0, generation: 7}
		successor := &sinkConn{slot: 0, generation: 8}
		s := &sink{transfers: transfers{loop: loop{ring: r, inFlight: 1}}, buffers: buffers, conns: []*sinkConn{successor}}
		s.inFlight-- // as the loop does before it calls handle
		if err := s.handle(uring.CQE{UserData: uint64(over.token(kindRecv)), Res: -int32(syscall.ECONNRESET)}); err != nil {
			return err
		}
		if s.inFlight != 1 || s.conns[0] != successor || s.total.Conns != 0 {
			t.Errorf("%d requests in flight, total %v; want the successor untouched and its request in flight", s.inFlight, s.total)
		}
		return buffers.Close()
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSendDropsWhatThePeerAnswers(t *testing.T) {
	l := testutil.Listen(t)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		io.Copy(io.Discard, c)
		c.Write(make([]byte, 1<<20))
	}()
	if _, total, err := send(context.Background(), sendConfig{To: l.Addr().String(), Bytes: 1000}); err != nil || total.Bytes != 1000 {
		t.Errorf("total is %v, error %v; want 1000 bytes and none", total, err)
	}
}

func TestCancelledSendLeavesNothingOpen(t *testing.T) {
	for _, msgSize := range []int{32, 64 << 10} {
		for _, rate := range []int64{0, 64 << 10} { // a reader that keeps up, and one that does not
			t.Run(fmt.Sprintf("messages of %d bytes, reader of %d bytes a second", msgSize, rate), func(t *testing.T) {
				check := leftOpen(t)
				s := startSink(t, sinkConfig{Rate: rate})
				ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				defer cancel()
				start := time.Now()
				ended, total, err := send(ctx, sendConfig{To: s.addr.String(), Bytes: 1 << 40, MsgSize: msgSize, Conns: 10})
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error is %v, want context.DeadlineExceeded", err)
				}
				if len(ended) != 10 || total.Interrupted != 10 || total.Failed != 0 {
					t.Errorf("%d connections ended, total %v; want 10, all interrupted", len(ended), total)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("it took %v to end", took)
				}
				s.cancel()
				s.wait(t)
				check()
			})
		}
	}
}

func TestCancelledSinkLeavesNothingOpen(t *testing.T) {
	for _, rate := range []int64{0, 1 << 20} {
		t.Run(fmt.Sprintf("%d bytes a second", rate), func(t *testing.T) {
			check := leftOpen(t)
			moving := make(chan struct{})
			var once sync.Once
			s := startSink(t, sinkConfig{Rate: rate, SHA256: true, Stats: 10 * time.Millisecond, Progress: func(p sinkProgress) {
				if p.Open == 10 && p.Bytes > 0 {
					once.Do(func() { close(moving) })
				}
			}})
			go func() {
				<-moving
				s.cancel()
			}()
			_, total, err := send(context.Background(), sendConfig{To: s.addr.String(), Bytes: 1 << 40, Conns: 10})
			if err == nil || total.Failed != 10 {
				t.Errorf("total of the sender is %v, error %v; want all failed", total, err)
			}
			s.wait(t)
			if s.err != nil {
				t.Errorf("error is %v, want none: to be ended is no failure", s.err)
			}
			if s.total.Conns != 10 || s.total.Interrupted != 10 || s.total.Bytes == 0 {
				t.Errorf("total of the sink is %v, want 10 interrupted connections with bytes", s.total)
			}
			check()
		})
	}
}

func TestContextThatIsDoneBeforehandEndsAtOnce(t *testing.T) {
	check := leftOpen(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	// Listening and looking up a name may see the context first.
	if _, err := runSink(ctx, sinkConfig{Listen: "127.0.0.1:0"}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("sink: %v, want context.Canceled or nothing", err)
	}
	l := testutil.Listen(t)
	if _, _, err := send(ctx, sendConfig{To: l.Addr().String(), Bytes: 1 << 40}); !errors.Is(err, context.Canceled) {
		t.Errorf("send: %v, want context.Canceled", err)
	}
	l.Close()
	check()
}

func TestSinkTakesConnectionsLaterWhenDescriptorsRunOut(t *testing.T) {
	const conns = 4
	var clients []int
	for range conns {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, fd)
	}
	// The limit that counts is the one at the time of the request.
	allowDescriptors(t, clients[conns-1]+20)
	s := startSink(t, sinkConfig{Conns: conns})
	useUpDescriptors(t, 1)
	for _, fd := range clients {
		if err := syscall.Connect(fd, &syscall.SockaddrInet4{Addr: s.addr.Addr().As4(), Port: int(s.addr.Port())}); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(acceptPause / 2) // for the sink to take one, and to fail to take another
	for _, fd := range clients {
		if _, err := syscall.Write(fd, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		syscall.Close(fd)
	}
	s.wait(t)
	if s.err != nil || s.total.Bytes != 10*conns {
		t.Errorf("total is %v, error %v; want %d bytes and none", s.total, s.err, 10*conns)
	}
}

// allowDescriptors limits the process to descriptors below n while the test
// runs.
func allowDescriptors(t *testing.T, n int) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(n), Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) })
}

// useUpDescriptors opens descriptors until only n are left, while the test
// runs.
func useUpDescriptors(t *testing.T, n int) {
	t.Helper()
	var fds []int
	for {
		fd, err := syscall.Open("/dev/null", syscall.O_CLOEXEC, 0)
		if err == syscall.EMFILE {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	for i, fd := range fds {
		if i < n {
			syscall.Close(fd)
		} else {
			t.Cleanup(func() { syscall.Close(fd) })
		}
	}
}
