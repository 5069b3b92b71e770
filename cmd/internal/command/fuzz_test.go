package command

import (
	"math"
	"os"
	"strings"
	"testing"
)

// FuzzByteSize reads any text as a number of bytes. A number that is accepted
// is not negative, and reads back as it is written.
func FuzzByteSize(f *testing.F) {
	for _, s := range []string{"0", "4096", "64KiB", "1M", "8388607TiB", "8388608T", "9223372036854775807", "-1", "1.5M", "K", "+1", "1_000", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseByteSize(s)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("%q is %d bytes", s, int64(n))
		}
		if back, err := parseByteSize(n.String()); back != n || err != nil {
			t.Fatalf("%q is %d bytes, written as %q, which is %d, %v", s, int64(n), n, int64(back), err)
		}
	})
}

// FuzzArguments gives each command any arguments, one on a line. A command
// accepts what it can do, and refuses the rest without running.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{
		"-listen\n:0\n-to\n:1", "-listen=:0\n-to=:1\n-wait-batch=4\n-wait-usec=100", "-wait-usec=9223372036854775807",
		"-listen=:0\n-to=:1\n-wait-batch=2\n-wait-usec=18446744073709552", "-listen=:0\n-to=:1\n-max-conns=4611686018427387905",
		"-listen=:0\n-to=:1\n-stats=-1s", "-listen=:0\n-to=:1\n-grace=-1s", "-listen=:0\n-to=:1\n-napi=-1s", "-listen=:0\n-to=:1\n-buf-size=8388607TiB",
		"-to=:1\n-bytes=1G", "-to=:1\n-file=/x\n-repeat=2147483647", "-to=:1\n-bytes=1\n-msg-size=0", "-to=:1\n-bytes=1\n-conns=-1",
		"-listen=:0\n-rate=1K\n-conns=3", "-listen=:0\n-stats=-1s", "-h", "--help", "x", "-", "--", "-bufs=3",
	} {
		f.Add(s)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		f.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	f.Cleanup(func() { os.Stdout, os.Stderr = stdout, stderr; null.Close() })
	f.Fuzz(func(t *testing.T, s string) {
		os.Stdout, os.Stderr = null, null
		defer func() { os.Stdout, os.Stderr = stdout, stderr }()
		args := strings.Split(s, "\n")
		if c, status, over := proxyArgs(args); !over {
			within(t, "-buf-size", int64(c.bufSize), 32, math.MaxInt64)
			within(t, "-bufs", int64(c.bufs), 1, 32768)
			within(t, "-queue", int64(c.queue), 1, math.MaxInt64)
			within(t, "-max-conns", int64(c.maxConns), 1, maxConns)
			within(t, "-wait-batch", int64(c.waitBatch), 1, math.MaxInt64)
			within(t, "-wait-usec", c.wait.Microseconds(), 0, math.MaxInt32)
			for name, d := range map[string]int64{"-napi": int64(c.napi), "-grace": int64(c.grace), "-stats": int64(c.stats)} {
				within(t, name, d, 0, math.MaxInt64)
			}
		} else {
			within(t, "status of proxy", int64(status), 0, exitUsage)
		}
		if c, status, over := sendArgs(args); !over {
			within(t, "-bytes", c.Bytes, 0, math.MaxInt64)
			within(t, "-msg-size", int64(c.MsgSize), 1, maxMsgSize)
			within(t, "-conns", int64(c.Conns), 1, math.MaxInt16)
			within(t, "-repeat", int64(c.Repeat), 1, math.MaxInt32)
		} else {
			within(t, "status of send", int64(status), 0, exitUsage)
		}
		if c, status, over := sinkArgs(args); !over {
			within(t, "-conns", int64(c.Conns), 0, math.MaxInt64)
			within(t, "-rate", c.Rate, 0, math.MaxInt64)
			within(t, "-stats", int64(c.Stats), 0, math.MaxInt64)
		} else {
			within(t, "status of sink", int64(status), 0, exitUsage)
		}
	})
}

func within(t *testing.T, what string, n, least, most int64) {
	t.Helper()
	if n < least || n > most {
		t.Fatalf("%s is %d, want %d to %d", what, n, least, most)
	}
}
