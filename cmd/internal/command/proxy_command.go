package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// proxyCommand is "uring proxy".
func proxyCommand(args []string) int {
	c, status, over := proxyArgs(args)
	if over {
		return status
	}
	drain, stop := proxySignals(&c)
	defer stop()
	c.listening = func(at string) { fmt.Printf("listening on %s, forwarding to %v\n", at, &c.to) }
	result, err := runProxy(drain, c)
	if err != nil {
		return failed("proxy", err)
	}
	say(os.Stdout, result.String())
	return 0
}

// proxySignals makes the first SIGINT or SIGTERM drain the proxy, the second one end
// what drains, and the third kill. A terminal or a reader of logs that goes away
// must not.
func proxySignals(c *proxyConfig) (drain context.Context, stop func()) {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	drain, startDraining := context.WithCancel(context.Background())
	hurry, startHurry := context.WithCancel(context.Background())
	c.hurry = hurry
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	over := make(chan struct{})
	go func() {
		for _, next := range []func(){startDraining, func() { startHurry(); signal.Stop(signals) }} {
			select {
			case <-signals:
				next()
			case <-over:
				return
			}
		}
	}()
	return drain, func() {
		close(over)
		signal.Stop(signals)
		signal.Reset(syscall.SIGHUP, syscall.SIGPIPE)
		startDraining()
		startHurry()
	}
}

// say prints a line, unless whoever should read it does not.
func say(w io.Writer, line string) {
	done := make(chan struct{})
	go func() {
		fmt.Fprintln(w, line)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(logFlush):
	}
}
