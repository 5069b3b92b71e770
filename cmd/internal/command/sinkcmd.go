package command

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"
)

// sinkArgs parses what follows "uring sink"; see parse.
func sinkArgs(args []string) (cfg sinkConfig, status int, over bool) {
	fs := newFlags("sink")
	cfg.Ended = printConn
	var slow byteSize
	fs.StringVar(&cfg.Listen, "listen", "", "`host:port` to listen at; port 0 picks a free one, which is printed")
	fs.BoolVar(&cfg.SHA256, "sha256", false, "print the SHA-256 of what each connection sent")
	fs.IntVar(&cfg.Conns, "conns", 0, "end when `n` connections have ended (0: at SIGINT or SIGTERM)")
	fs.Var(&slow, "rate", "read at most `bytes` a second from each connection (0: no limit)")
	fs.DurationVar(&cfg.Stats, "stats", 0, "print what happened to standard error once in a `duration` (0: never)")
	if status, over := parse(fs, args); over {
		return cfg, status, true
	}
	cfg.Rate = int64(slow)
	if err := cfg.check(); err != nil {
		return cfg, misuse("sink", err), true
	}
	return cfg, 0, false
}

// sinkCommand is "uring sink".
func sinkCommand(args []string) int {
	cfg, status, over := sinkArgs(args)
	if over {
		return status
	}
	cfg.Ready = func(addr netip.AddrPort) { fmt.Println("listening on", addr) }
	cfg.Progress = statsPrinter(cfg.Stats)
	return runTransfer("sink", func(ctx context.Context) (transferResult, error) { return runSink(ctx, cfg) })
}

func (c sinkConfig) check() error {
	switch {
	case c.Listen == "":
		return errors.New("-listen is missing; -listen 127.0.0.1:0 picks a free port")
	case c.Conns < 0:
		return fmt.Errorf("-conns is %d, want a number of connections, or 0", c.Conns)
	case c.Stats < 0:
		return fmt.Errorf("-stats is %v, want a duration, or 0", c.Stats)
	}
	return nil
}

// statsPrinter returns a function that prints what changed since its last call.
func statsPrinter(every time.Duration) func(sinkProgress) {
	var last int64
	return func(p sinkProgress) {
		fmt.Fprintf(os.Stderr, "open=%d ended=%d %s\n", p.Open, p.Ended, rate(p.Bytes-last, every))
		last = p.Bytes
	}
}
