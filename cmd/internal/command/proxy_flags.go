package command

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/uring-go/uring"
)

// proxyArgs parses what follows "uring proxy"; see parse.
func proxyArgs(args []string) (c proxyConfig, status int, over bool) {
	c = proxyDefaults()
	fs := newFlags("proxy")
	words := c.define(fs)
	if status, over := parse(fs, args); over {
		return c, status, true
	}
	if err := c.finish(given(fs), words); err != nil {
		return c, misuse("proxy", err), true
	}
	return c, 0, false
}

// proxyWords are flags that are to be understood before they can be used.
type proxyWords struct {
	recv, send, greet, log string
	usec                   int
}

// define defines the proxy's flags. What comes into the result is for finish.
func (c *proxyConfig) define(fs *flag.FlagSet) *proxyWords {
	w := &proxyWords{}
	fs.StringVar(&c.listen, "listen", "", "`address` to listen on: host:port, unix:path, unix:@name, or systemd for the socket of a unit")
	fs.BoolVar(&c.reusePort, "reuse-port", false, "let other processes listen on the same port (SO_REUSEPORT)")
	fs.Var(&c.to, "to", "`addresses` to forward connections to, in turn: host:port or unix:path, with commas between, or the flag repeated")
	fs.DurationVar(&c.resolve, "resolve", c.resolve, "resolve the names of targets again once in a `duration` (0: never)")
	fs.BoolVar(&c.oneWay, "one-way", false, "forward from clients to the target only; what the target sends is dropped")
	fs.Bool("bidi", false, "means nothing any more: both ways is the default")
	fs.Var(&c.bufSize, "buf-size", "size of each receive buffer, 32 and up")
	fs.IntVar(&c.bufs, "bufs", c.bufs, "number of receive buffers, a power of two")
	fs.BoolVar(&c.incremental, "incremental", false, "let receives take only the part of a buffer that they need")
	fs.BoolVar(&c.hugePages, "huge", false, "ask for huge pages for the buffers")
	fs.StringVar(&w.recv, "recv", "multishot", "multishot or single: one receive request for many receives, or one each")
	fs.BoolVar(&c.recvBundle, "recv-bundle", c.recvBundle, "let one completion cover many buffers: by default where the kernel can")
	fs.StringVar(&w.send, "send", "auto", "direct, vectored, queue, bundle, zc, zc-gather, or auto: bundle where the kernel has it, else vectored")
	fs.BoolVar(&c.zcAlways, "zc-always", false, "go on with zero-copy sends even if the kernel reports that it copies")
	fs.Var(&c.queue, "queue", "bytes that may wait for one slow receiver before its sender is held back")
	fs.Var(&c.copyMemory, "copy-memory", "memory for copies of what waits when fewer than a quarter of the buffers are left; 0 copies nothing, and receivers that do not read can keep all buffers")
	fs.DurationVar(&c.connectTime, "connect-timeout", c.connectTime, "longest `duration` of an attempt to connect to a target, and of a header of the PROXY protocol (0: no limit)")
	fs.DurationVar(&c.idleTime, "idle-timeout", 0, "reset connections on which nothing moved for this `duration` (0: never)")
	fs.DurationVar(&c.keepalive, "keepalive", c.keepalive, "let TCP probe peers that were silent for this `duration` (0: never)")
	fs.BoolVar(&c.acceptGreet, "accept-proxy", false, "expect a header of the PROXY protocol, version 1 or 2, on each connection")
	fs.StringVar(&w.greet, "send-proxy", "", "send targets a header of the PROXY protocol, v1 or v2")
	fs.BoolVar(&c.fixedFiles, "fixed-files", false, "use direct descriptors (Linux 6.7)")
	fs.IntVar(&c.maxConns, "max-conns", c.maxConns, "most connections at once; others wait in the listener")
	fs.BoolVar(&c.nagle, "nagle", false, "leave Nagle's algorithm on, which gathers small messages and delays them")
	fs.Bool("nodelay", false, "means nothing any more: Nagle's algorithm is off by default")
	fs.BoolVar(&c.sqpoll, "sqpoll", false, "let a kernel thread submit")
	fs.BoolVar(&c.deferTaskrun, "defer-taskrun", c.deferTaskrun, "run completion work only when waiting; off with -sqpoll")
	fs.DurationVar(&c.napi, "napi", 0, "poll the network device for this long before sleeping")
	fs.IntVar(&c.waitBatch, "wait-batch", c.waitBatch, "completions to wait for at once, with -wait-usec")
	fs.IntVar(&w.usec, "wait-usec", 0, "longest wait for -wait-batch, in microseconds; one completion is enough then")
	fs.DurationVar(&c.stats, "stats", 0, "log figures this often")
	fs.DurationVar(&c.grace, "grace", c.grace, "end connections this `duration` after SIGINT or SIGTERM (0: let them end)")
	fs.StringVar(&w.log, "log", "text", "text or json")
	fs.BoolVar(&c.logConns, "log-conns", false, "log each connection when it is over, not only those that failed")
	fs.StringVar(&c.monitorAt, "metrics", "", "`address` for Prometheus at /metrics, and for /healthz")
	fs.BoolVar(&c.pprof, "pprof", false, "serve Go's profiles at the address of -metrics, too")
	return w
}

// finish takes over what flags say in words and refuses what does not go
// together.
func (c *proxyConfig) finish(set map[string]bool, w *proxyWords) (err error) {
	c.wait = time.Duration(min(max(int64(w.usec), -1), math.MaxInt32+1)) * time.Microsecond // check refuses the bounds
	switch w.recv {
	case "multishot":
	case "single":
		c.recvSingle = true
	default:
		return fmt.Errorf("-recv %s: want multishot or single", w.recv)
	}
	mode, ok := sendNames[w.send]
	if !ok {
		return fmt.Errorf("-send %s: want direct, vectored, queue, bundle, zc, zc-gather or auto", w.send)
	}
	c.send = mode
	switch w.greet {
	case "":
	case "v1", "v2":
		c.sendGreet = int(w.greet[1] - '0')
	default:
		return fmt.Errorf("-send-proxy %s: want v1 or v2", w.greet)
	}
	if c.logTo, err = newLogHandler(w.log, os.Stderr); err != nil {
		return err
	}
	c.lowerConns = !set["max-conns"]
	c.needBundle = set["recv-bundle"] && c.recvBundle
	if c.sqpoll && !set["defer-taskrun"] {
		c.deferTaskrun = false
	}
	return c.check(set)
}

func (c *proxyConfig) check(set map[string]bool) error {
	var problems []string
	refuse := func(when bool, format string, args ...any) {
		if when {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	refuse(c.listen == "", "-listen is missing")
	if c.listen != "" && c.listen != systemdAddress {
		err := checkAddress(c.listen, false)
		refuse(err != nil, "-listen %v", err)
	}
	refuse(len(c.to) == 0, "-to is missing")
	refuse(len(c.to) > maxTargets, "-to has %d addresses, want at most %d", len(c.to), maxTargets)
	for _, to := range c.to {
		err := checkAddress(to, true)
		refuse(err != nil, "-to %v", err)
	}
	refuse(c.reusePort && (c.listen == systemdAddress || strings.HasPrefix(c.listen, "unix:")), "-reuse-port is for -listen host:port")
	refuse(c.bufSize < 32, "-buf-size %d: want at least 32", c.bufSize)
	refuse(c.bufs < 1 || c.bufs > 32768 || c.bufs&(c.bufs-1) != 0, "-bufs %d: want a power of two, 1 to 32768", c.bufs)
	refuse(c.sqpoll && c.deferTaskrun, "-sqpoll and -defer-taskrun do not go together")
	refuse(c.waitBatch < 1, "-wait-batch %d: want at least 1", c.waitBatch)
	refuse(c.wait < 0 || c.wait.Microseconds() > math.MaxInt32, "-wait-usec: want 0 to %d", math.MaxInt32)
	refuse(c.waitBatch > 1 && c.wait == 0, "-wait-batch needs -wait-usec")
	refuse(set["wait-usec"] && c.waitBatch == 1, "-wait-usec needs -wait-batch above 1")
	refuse(c.queue < 1, "-queue %d: want at least 1", c.queue)
	refuse(c.copyMemory < 0 || c.copyMemory > 1<<30, "-copy-memory %d: want 0 to 1GiB", c.copyMemory)
	refuse(c.maxConns < 1 || c.maxConns > maxConns, "-max-conns %d: want 1 to %d", c.maxConns, maxConns)
	refuse(c.monitorAt != "" && monitor == nil, "-metrics: this program is built without the library for it; "+
		"go install github.com/uring-go/uring/cmd/uring-metrics@latest, or make metrics, gives the one that has it")
	refuse(c.pprof && c.monitorAt == "", "-pprof needs -metrics")
	for name, d := range map[string]time.Duration{
		"stats": c.stats, "grace": c.grace, "napi": c.napi, "resolve": c.resolve, "keepalive": c.keepalive,
		"connect-timeout": c.connectTime, "idle-timeout": c.idleTime,
	} {
		refuse(d < 0, "-%s %v: want a duration, or 0", name, d)
	}
	refuse(c.keepalive > 0 && (c.keepalive < time.Second || c.keepalive > maxKeepalive), "-keepalive %v: want 1s to %v, or 0", c.keepalive, maxKeepalive)
	refuse(c.zcAlways && c.send != uring.SendZC && c.send != uring.SendZCGather, "-zc-always needs -send zc or zc-gather")
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}
