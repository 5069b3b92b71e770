// Command soak runs "uring proxy" for a while under connections that behave
// as those of a bad day do: they stall, are reset, close one way, read slowly,
// and the program that the proxy forwards to is killed now and then.
//
// What arrives is checked by SHA-256 for each connection and direction. In the
// end the proxy must have given everything back: its exit status says so of
// buffers, rings and sockets; its memory and descriptors are looked at from
// outside while it runs.
//
//	go run ./internal/cmd/soak -uring bin/uring -for 2m
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"
)

func main() {
	var c config
	sink := flag.String("sink", "", "be the program behind the proxy, and listen on this address (what soak starts itself)")
	flag.StringVar(&c.uring, "uring", "bin/uring", "the program uring")
	flag.DurationVar(&c.length, "for", 2*time.Minute, "how long to run, all modes of the proxy together")
	flag.IntVar(&c.conns, "conns", 1000, "connections at once")
	flag.Uint64Var(&c.seed, "seed", 0, "repeat the connections of the run that printed it; 0 takes another one")
	flag.DurationVar(&c.killEvery, "kill", 10*time.Second, "how often to kill the program behind the proxy; 0 is never")
	only := flag.Int("mode", 0, "run one mode of the proxy only, 1 is the first")
	flag.Parse()
	if *sink != "" {
		os.Exit(status(runSink(*sink, c.seed)))
	}
	if *only > 0 && *only <= len(modes) {
		modes = modes[*only-1 : *only]
	}
	if c.conns < 1 || c.length <= 0 || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "soak: -conns and -for must be positive, and there are no other arguments")
		os.Exit(2)
	}
	for c.seed == 0 {
		c.seed = rand.Uint64()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(status(c.run(ctx)))
}

func status(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		return 1
	}
	return 0
}

// A config says what to do.
type config struct {
	uring     string
	length    time.Duration
	conns     int
	seed      uint64
	killEvery time.Duration
}

// The modes of the proxy. Buffers are few, so that they run out.
var modes = [][]string{
	{"-incremental", "-bufs", "64", "-buf-size", "64KiB"},
	{"-recv-bundle=false", "-send", "vectored", "-bufs", "512", "-buf-size", "4KiB"},
	{"-incremental", "-send", "zc-gather", "-zc-always", "-bufs", "64", "-buf-size", "64KiB"},
	{"-recv", "single", "-send", "direct", "-fixed-files", "-bufs", "512", "-buf-size", "4KiB"},
	{"-sqpoll", "-send", "queue", "-bufs", "512", "-buf-size", "4KiB"},
}

// each is how long one mode runs.
func (c config) each() time.Duration { return c.length / time.Duration(len(modes)) }

// run goes through the modes and fails when one did.
func (c config) run(ctx context.Context) error {
	fmt.Printf("%d connections at once, %v for each of %d modes, -seed %d\n", c.conns, c.each(), len(modes), c.seed)
	failed := 0
	for i, flags := range modes {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r := newRound(c, i, flags)
		if err := r.run(ctx); err != nil {
			r.complain("%v", err)
		}
		fmt.Println(r.summary())
		if r.complaints() > 0 {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d modes failed; -seed %d repeats their connections", failed, len(modes), c.seed)
	}
	fmt.Printf("all %d modes passed\n", len(modes))
	return nil
}
