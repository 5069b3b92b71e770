package command

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/uring-go/uring"
)

// proxyConfig says how the proxy works.
type proxyConfig struct {
	listen    string
	reusePort bool
	to        targetList
	oneWay    bool          // what the target sends is dropped
	resolve   time.Duration // how often names are resolved again; 0 is never

	bufSize     byteSize
	bufs        int
	incremental bool
	hugePages   bool

	recvSingle bool
	recvBundle bool // where the kernel has it
	needBundle bool // without, it is an error
	send       uring.SendMode
	zcAlways   bool
	queue      byteSize // bytes that may wait in one direction before receiving stops
	copyMemory byteSize // for what waits when buffers run short

	fixedFiles   bool
	maxConns     int
	lowerConns   bool // maxConns may be lowered to what there are descriptors for
	nagle        bool
	keepalive    time.Duration // of silence before a peer is probed; 0 is never
	connectTime  time.Duration // for one attempt to connect, and for a greeting; 0 is no limit
	idleTime     time.Duration // without a byte; 0 is no limit
	acceptGreet  bool          // connections begin with a header of the PROXY protocol
	sendGreet    int           // so do those to targets, with this version; 0 is none
	sqpoll       bool
	deferTaskrun bool
	napi         time.Duration
	waitBatch    int
	wait         time.Duration
	grace        time.Duration // for connections while draining; 0 is no limit
	stats        time.Duration
	logConns     bool   // log each connection
	monitorAt    string // address of the monitor; "" is none
	pprof        bool   // it has profiles too

	listening func(string)    // told where the proxy listens, if not nil
	logTo     slog.Handler    // gets what there is to say
	hurry     context.Context // done when draining is to end now; nil is never
}

// proxyDefaults is what the flags default to.
func proxyDefaults() proxyConfig {
	return proxyConfig{
		bufSize: 64 << 10, bufs: 256, resolve: 30 * time.Second,
		recvBundle: true, send: uring.SendAuto, queue: 1 << 20, copyMemory: 256 << 20, maxConns: 8192,
		keepalive: time.Minute, connectTime: 5 * time.Second,
		deferTaskrun: true, waitBatch: 1,
		logTo: slog.NewTextHandler(os.Stderr, nil),
	}
}

var sendNames = map[string]uring.SendMode{
	"auto": uring.SendAuto, "direct": uring.SendPlain, "vectored": uring.SendVectored,
	"queue": uring.SendProvided, "bundle": uring.SendBundle, "zc": uring.SendZC, "zc-gather": uring.SendZCGather,
}

// maxConns is how many connections a table of direct descriptors has room for.
const maxConns = 1 << 19

// maxKeepalive is the most that TCP takes.
const maxKeepalive = 32767 * time.Second
