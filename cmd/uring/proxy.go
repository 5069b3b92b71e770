package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/uring-go/uring"
)

// proxyConfig says how the proxy works.
type proxyConfig struct {
	listen string
	to     string
	oneWay bool // what the target sends is dropped

	bufSize     byteSize
	bufs        int
	incremental bool
	hugePages   bool

	recvSingle bool
	recvBundle bool
	send       uring.SendMode
	zcAlways   bool
	queue      byteSize // bytes that may wait in one direction before receiving stops

	fixedFiles   bool
	maxConns     int
	nagle        bool
	sqpoll       bool
	deferTaskrun bool
	napi         time.Duration
	waitBatch    int
	wait         time.Duration
	grace        time.Duration
	stats        time.Duration

	listening func(netip.AddrPort) // told where the proxy listens, if not nil
	logf      func(string, ...any) // where to report connections that fail
}

// proxyDefaults is what the flags default to.
func proxyDefaults() proxyConfig {
	return proxyConfig{
		bufSize: 64 << 10, bufs: 256,
		send: uring.SendAuto, queue: 1 << 20, maxConns: 8192,
		deferTaskrun: true, waitBatch: 1, grace: 10 * time.Second,
		logf: log.New(os.Stderr, "uring proxy: ", 0).Printf,
	}
}

var sendNames = map[string]uring.SendMode{
	"auto": uring.SendAuto, "direct": uring.SendPlain, "vectored": uring.SendVectored,
	"queue": uring.SendProvided, "bundle": uring.SendBundle, "zc": uring.SendZC, "zc-gather": uring.SendZCGather,
}

// maxConns is how many connections a table of direct descriptors has room for.
const maxConns = 1 << 19

// proxyArgs parses what follows "uring proxy"; see parse.
func proxyArgs(args []string) (c proxyConfig, status int, over bool) {
	c = proxyDefaults()
	fs := newFlags("proxy")
	fs.StringVar(&c.listen, "listen", "", "address to listen on, such as 127.0.0.1:8000")
	fs.StringVar(&c.to, "to", "", "address to forward connections to")
	fs.BoolVar(&c.oneWay, "one-way", false, "forward from clients to the target only; what the target sends is dropped")
	fs.Bool("bidi", false, "means nothing any more: both ways is the default")
	fs.Var(&c.bufSize, "buf-size", "size of each receive buffer, 32 and up")
	fs.IntVar(&c.bufs, "bufs", c.bufs, "number of receive buffers, a power of two")
	fs.BoolVar(&c.incremental, "incremental", false, "let receives take only the part of a buffer that they need")
	fs.BoolVar(&c.hugePages, "huge", false, "ask for huge pages for the buffers")
	recv := fs.String("recv", "multishot", "multishot or single: one receive request for many receives, or one each")
	fs.BoolVar(&c.recvBundle, "recv-bundle", false, "let one completion cover many buffers")
	send := fs.String("send", "auto", "direct, vectored, queue, bundle, zc, zc-gather, or auto: bundle where the kernel has it, else vectored")
	fs.BoolVar(&c.zcAlways, "zc-always", false, "go on with zero-copy sends even if the kernel reports that it copies")
	fs.Var(&c.queue, "queue", "bytes that may wait for one slow receiver before its sender is held back")
	fs.BoolVar(&c.fixedFiles, "fixed-files", false, "use direct descriptors (Linux 6.7)")
	fs.IntVar(&c.maxConns, "max-conns", c.maxConns, "most connections at once")
	fs.BoolVar(&c.nagle, "nagle", false, "leave Nagle's algorithm on, which gathers small messages and delays them")
	fs.Bool("nodelay", false, "means nothing any more: Nagle's algorithm is off by default")
	fs.BoolVar(&c.sqpoll, "sqpoll", false, "let a kernel thread submit")
	fs.BoolVar(&c.deferTaskrun, "defer-taskrun", c.deferTaskrun, "run completion work only when waiting; off with -sqpoll")
	fs.DurationVar(&c.napi, "napi", 0, "poll the network device for this long before sleeping")
	fs.IntVar(&c.waitBatch, "wait-batch", c.waitBatch, "completions to wait for at once, with -wait-usec")
	usec := fs.Int("wait-usec", 0, "longest wait for -wait-batch, in microseconds; one completion is enough then")
	fs.DurationVar(&c.stats, "stats", 0, "print figures this often")
	fs.DurationVar(&c.grace, "grace", c.grace, "how long connections may go on after SIGINT")
	if status, over := parse(fs, args); over {
		return c, status, true
	}
	c.wait = time.Duration(min(max(int64(*usec), -1), math.MaxInt32+1)) * time.Microsecond // check refuses the bounds
	if err := c.finish(fs, *recv, *send); err != nil {
		return c, misuse("proxy", err), true
	}
	return c, 0, false
}

// proxyCommand is "uring proxy".
func proxyCommand(args []string) int {
	c, status, over := proxyArgs(args)
	if over {
		return status
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c.listening = func(a netip.AddrPort) { fmt.Printf("listening on %v, forwarding to %s\n", a, c.to) }
	result, err := runProxy(ctx, c)
	if err != nil {
		return failed("proxy", err)
	}
	fmt.Println(result)
	return 0
}

// finish takes over what flags say in words and refuses what does not go
// together.
func (c *proxyConfig) finish(fs *flag.FlagSet, recv, send string) error {
	set := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	switch recv {
	case "multishot":
	case "single":
		c.recvSingle = true
	default:
		return fmt.Errorf("-recv %s: want multishot or single", recv)
	}
	mode, ok := sendNames[send]
	if !ok {
		return fmt.Errorf("-send %s: want direct, vectored, queue, bundle, zc, zc-gather or auto", send)
	}
	c.send = mode
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
	refuse(c.to == "", "-to is missing")
	refuse(c.bufSize < 32, "-buf-size %d: want at least 32", c.bufSize)
	refuse(c.bufs < 1 || c.bufs > 32768 || c.bufs&(c.bufs-1) != 0, "-bufs %d: want a power of two, 1 to 32768", c.bufs)
	refuse(c.sqpoll && c.deferTaskrun, "-sqpoll and -defer-taskrun do not go together")
	refuse(c.waitBatch < 1, "-wait-batch %d: want at least 1", c.waitBatch)
	refuse(c.wait < 0 || c.wait.Microseconds() > math.MaxInt32, "-wait-usec: want 0 to %d", math.MaxInt32)
	refuse(c.waitBatch > 1 && c.wait == 0, "-wait-batch needs -wait-usec")
	refuse(set["wait-usec"] && c.waitBatch == 1, "-wait-usec needs -wait-batch above 1")
	refuse(c.queue < 1, "-queue %d: want at least 1", c.queue)
	refuse(c.maxConns < 1 || c.maxConns > maxConns, "-max-conns %d: want 1 to %d", c.maxConns, maxConns)
	refuse(c.stats < 0, "-stats %v: want a duration, or 0", c.stats)
	refuse(c.grace < 0, "-grace %v: want a duration, or 0", c.grace)
	refuse(c.napi < 0, "-napi %v: want a duration, or 0", c.napi)
	refuse(c.zcAlways && c.send != uring.SendZC && c.send != uring.SendZCGather, "-zc-always needs -send zc or zc-gather")
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}
