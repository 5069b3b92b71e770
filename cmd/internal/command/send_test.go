//go:build linux

package command

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// A peer that answers all it gets, and reads on only when its answer is taken, must
// not stop a sender.
func TestSendReadsWhileItSends(t *testing.T) {
	const size = 16 << 20
	to := startTarget(t, func(c *net.TCPConn) {
		_ = c.SetReadBuffer(64 << 10)
		_ = c.SetWriteBuffer(64 << 10)
		echo(c)
	})
	r, err := runSend(t.Context(), sendConfig{To: to, Bytes: size, MsgSize: 64 << 10, Conns: 2})
	if err != nil || r.Bytes != 2*size {
		t.Errorf("%v, %v", r, err)
	}
}

func TestSendTakesStandardInput(t *testing.T) {
	to, said := heard(t)
	for _, n := range []int{0, 1, 3 << 20} {
		data := testBytes(1, n)
		cmd := program("send", "-to", to, "-file", "-", "-sha256")
		r, w := io.Pipe()
		cmd.Stdin = r
		go func() {
			for rest := data; len(rest) > 0; {
				k := min(len(rest), 100_001)
				_, _ = w.Write(rest[:k])
				rest = rest[k:]
			}
			w.Close()
		}()
		got := runProgram(t, cmd)
		want := fmt.Sprintf("bytes=%d ", n)
		if got.status != 0 || !strings.Contains(got.stdout, want) || !strings.Contains(got.stdout, fmt.Sprintf("sha256=%x", sha256.Sum256(data))) {
			t.Errorf("%d bytes: %+v", n, got)
		}
		if text := <-said; text != string(data) {
			t.Errorf("%d of %d bytes arrived", len(text), n)
		}
	}
	for _, args := range []string{"-repeat 2", "-conns 2"} {
		if got := runProgram(t, program(append([]string{"send", "-to", to, "-file", "-"}, strings.Fields(args)...)...)); got.status != exitUsage {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// Standard input that never ends does not keep a sender whose peer is gone.
func TestSendEndsWithItsPeerWhileItReads(t *testing.T) {
	to := startTarget(t, func(c *net.TCPConn) { _ = c.SetLinger(0) })
	cmd := program("send", "-to", to, "-file", "-")
	r, w := io.Pipe()
	defer w.Close()
	cmd.Stdin = r
	done := make(chan outcome, 1)
	go func() {
		out, _ := cmd.CombinedOutput()
		_ = r.Close()
		done <- outcome{cmd.ProcessState.ExitCode(), string(out), ""}
	}()
	eventually(t, "the command ends", func() bool { _, err := w.Write([]byte("x")); return err != nil })
	if got := <-done; got.status != exitFailed || !strings.Contains(got.stdout, "connection reset by peer") && !strings.Contains(got.stdout, "broken pipe") {
		t.Errorf("got %+v", got)
	}
}
