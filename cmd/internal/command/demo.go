package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/uring-go/uring"
)

// demoMode is one way to run the proxy.
type demoMode struct {
	name    string
	about   string
	needs   func() error
	msgSize byteSize
	change  func(*proxyConfig)
}

func always() error { return nil }

// demoModes lead from a request for each buffer to one request for many
// buffers.
var demoModes = []demoMode{
	{"single", "one receive, one send, one buffer each", always, 64 << 10, func(c *proxyConfig) {
		c.recvSingle, c.send = true, uring.SendPlain
	}},
	{"multishot", "one receive request for all", uring.HaveRecvMultishot, 64 << 10, func(c *proxyConfig) {
		c.send = uring.SendPlain
	}},
	{"queue", "sends from a ring of buffers, one each", uring.HaveSendProvided, 64 << 10, func(c *proxyConfig) {
		c.send = uring.SendProvided
	}},
	{"vectored", "one message for all that waits", always, 64 << 10, func(c *proxyConfig) {
		c.send = uring.SendVectored
	}},
	{"bundle", "bundles in and out", uring.HaveBundles, 64 << 10, func(c *proxyConfig) {
		c.recvBundle, c.send = true, uring.SendBundle
	}},
	{"incremental", "large buffers, consumed piece by piece", uring.HaveIncremental, 64 << 10, func(c *proxyConfig) {
		c.incremental, c.send = true, uring.SendBundle
	}},
	{"incremental bundle", "both", uring.HaveIncrementalBundles, 64 << 10, func(c *proxyConfig) {
		c.incremental, c.recvBundle, c.send = true, true, uring.SendBundle
	}},
	{"zero copy", "sends straight from the receive buffers", uring.HaveSendZC, 64 << 10, func(c *proxyConfig) {
		c.recvBundle, c.send, c.zcAlways = true, uring.SendZC, true
	}},
	{"zero copy gather", "many of them in one request", uring.HaveSendMsgZCFixed, 64 << 10, func(c *proxyConfig) {
		c.recvBundle, c.send, c.zcAlways = true, uring.SendZCGather, true
	}},
	{"small classic", "256-byte messages, a buffer each", uring.HaveBundles, 256, func(c *proxyConfig) {
		c.recvBundle, c.send = true, uring.SendBundle
	}},
	{"small incremental", "256-byte messages, shared buffers", uring.HaveIncrementalBundles, 256, func(c *proxyConfig) {
		c.incremental, c.recvBundle, c.send = true, true, uring.SendBundle
	}},
}

// A demoResult is what one mode did.
type demoResult struct {
	mode    demoMode
	skipped error // why the mode did not run
	bytes   int64
	took    time.Duration
	proxy   proxyStats
	same    bool // every byte arrived as it was sent
}

// demoCommand is "uring demo".
func demoCommand(args []string) int {
	fs := newFlags("demo")
	size := byteSize(256 << 20)
	fs.Var(&size, "size", "send at least this many `bytes` in each mode")
	file := fs.String("file", "", "`file` to send, again and again; this program itself if empty")
	only := fs.String("mode", "", "run only modes whose name contains `text`")
	if status, over := parse(fs, args); over {
		return status
	}
	if size < 1 {
		return misuse("demo", errors.New("-size is 0, want at least 1"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d := demo{ctx: ctx, out: os.Stdout, size: int64(size), only: *only}
	if err := d.open(*file); err != nil {
		return failed("demo", err)
	}
	if err := d.run(); err != nil {
		return failed("demo", err)
	}
	return 0
}

type demo struct {
	ctx      context.Context
	out      io.Writer
	file     string
	fileSize int64
	size     int64
	only     string
	results  []demoResult
}

func (d *demo) open(file string) (err error) {
	if d.file = file; file == "" {
		if d.file, err = os.Executable(); err != nil {
			return err
		}
	}
	st, err := os.Stat(d.file)
	if err != nil {
		return err
	}
	if d.fileSize = st.Size(); d.fileSize == 0 {
		return fmt.Errorf("%s is empty; name a file with something in it", d.file)
	}
	return nil
}

func (d *demo) run() error {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Fprintf(d.out, "Linux %s: %s, %d bytes, over loopback through the proxy to a sink that checks SHA-256\n\n",
		strings.TrimSpace(string(kernel)), d.file, d.fileSize)
	for _, m := range demoModes {
		if !strings.Contains(m.name, d.only) {
			continue
		}
		r, err := d.runMode(m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		d.results = append(d.results, r)
	}
	if len(d.results) == 0 {
		return fmt.Errorf("no mode's name contains %q", d.only)
	}
	d.table()
	return d.verdict()
}

// verdict returns an error if bytes got lost or changed, or none were sent.
func (d *demo) verdict() error {
	ran := func(r demoResult) bool { return r.skipped == nil }
	if !slices.ContainsFunc(d.results, ran) {
		return fmt.Errorf("no mode can run: %w", d.results[0].skipped)
	}
	for _, r := range d.results {
		if r.skipped == nil && !r.same {
			return fmt.Errorf("%s: the bytes that arrived are not those that were sent", r.mode.name)
		}
	}
	return nil
}

// runMode sends the file through a proxy that works in mode m.
func (d *demo) runMode(m demoMode) (demoResult, error) {
	r := demoResult{mode: m}
	if r.skipped = m.needs(); r.skipped != nil {
		fmt.Fprintf(d.out, "%-18s %v\n", m.name, r.skipped)
		return r, nil
	}
	fmt.Fprintf(d.out, "%-18s %s ", m.name, m.about)
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()

	var received []byte
	sinkAddr := make(chan netip.AddrPort, 1)
	dots := d.dots()
	sink := background(func() error {
		_, err := runSink(ctx, sinkConfig{
			Listen: "127.0.0.1:0", SHA256: true, Conns: 1,
			Ready: func(a netip.AddrPort) { sinkAddr <- a },
			Ended: func(c connResult) { received, r.bytes, r.took = c.SHA256, c.Bytes, c.Duration },
			Stats: 100 * time.Millisecond, Progress: dots,
		})
		return err
	})
	to, err := awaitAddr(sinkAddr, sink)
	if err != nil {
		return r, err
	}
	c := proxyDefaults()
	c.listen, c.to, c.bufSize, c.oneWay, c.recvBundle = "127.0.0.1:0", targetList{to.String()}, 32<<10, true, false
	c.logTo = slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}) // the rest would stand amid the dots
	m.change(&c)
	proxyAddr := make(chan string, 1)
	c.listening = func(at string) { proxyAddr <- at }
	proxyCtx, stopProxy := context.WithCancel(ctx)
	defer stopProxy()
	proxy := background(func() (err error) { r.proxy, err = runProxy(proxyCtx, c); return err })
	via, err := awaitAddr(proxyAddr, proxy)
	if err != nil {
		cancel()
		if sinkErr := <-sink; !errors.Is(err, syscall.ENOMEM) || sinkErr != nil {
			return r, errors.Join(err, sinkErr)
		}
		r.skipped = err // it says which limit to raise
		fmt.Fprintf(d.out, " not run: %v\n", err)
		return r, nil
	}

	var sent []byte
	_, err = runSend(ctx, sendConfig{
		To: via, File: d.file, Repeat: int((d.size + d.fileSize - 1) / d.fileSize),
		MsgSize: int(m.msgSize), Conns: 1, SHA256: true, NoDelay: m.msgSize < 4096,
		Ended: func(c connResult) { sent = c.SHA256 },
	})
	if err != nil {
		cancel()
	}
	stopProxy()
	if err := errors.Join(err, <-proxy, <-sink); err != nil {
		return r, err
	}
	r.same = sent != nil && bytes.Equal(sent, received)
	fmt.Fprintf(d.out, " %s\n", map[bool]string{true: "same bytes", false: "OTHER BYTES"}[r.same])
	return r, nil
}

// dots returns a function that shows progress.
func (d *demo) dots() func(sinkProgress) {
	return func(sinkProgress) { fmt.Fprint(d.out, ".") }
}

// background runs fn and returns a channel that gets its error.
func background(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	return done
}

// awaitAddr waits for an address, or for the error that came in its place.
func awaitAddr[T any](addr <-chan T, done <-chan error) (a T, err error) {
	select {
	case a := <-addr:
		return a, nil
	case err := <-done:
		if err == nil {
			err = errors.New("ended before it listened")
		}
		return a, err
	}
}

// table prints the figures side by side.
func (d *demo) table() {
	fmt.Fprintln(d.out)
	w := tabwriter.NewWriter(d.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "mode\tmessage\tMB/s\tcompletions/MB\tbuffers/MB\tproxy CPU s/GB\tbuffer bytes/byte\tzero copy\tsame bytes\t")
	for _, r := range d.results {
		if r.skipped != nil {
			fmt.Fprintf(w, "%s\t%v\t-\t-\t-\t-\t-\t-\tnot run\t\n", r.mode.name, r.mode.msgSize)
			continue
		}
		mb := float64(r.bytes) / 1e6
		fmt.Fprintf(w, "%s\t%v\t%.0f\t%.1f\t%.1f\t%.3f\t%.2f\t%s\t%v\t\n", r.mode.name, r.mode.msgSize,
			mb/r.took.Seconds(), float64(r.proxy.completions)/mb, float64(r.proxy.buffers)/mb,
			r.proxy.cpu.Seconds()/mb*1000, float64(r.proxy.buffers)*float64(r.proxy.bufSize)/float64(r.bytes),
			r.copied(), r.same)
	}
	w.Flush()
	fmt.Fprintln(d.out, "\nSender, proxy and sink share this machine's processors, and the sink's SHA-256 is part of the time.")
	fmt.Fprintln(d.out, "\"copied\" counts the zero-copy sends whose bytes the kernel copied after all, as it does on loopback.")
}

// copied says how many zero-copy sends the kernel copied.
func (r demoResult) copied() string {
	p := r.proxy
	switch {
	case p.zc == 0:
		return "-"
	case p.copied == 0:
		return "not copied"
	case p.copied == p.notified:
		return "copied"
	}
	return fmt.Sprintf("%d of %d copied", p.copied, p.notified)
}
