//go:build linux

// Command torture uses rings in every way that it can think of, in an order that a
// seed decides, against peers that are plain sockets and pipes. Each connection's
// bytes follow from a key, so that a byte that is stale, or from elsewhere, is seen
// at once. It knows only what the package's documentation says.
//
//	go run ./internal/cmd/torture -for 2m
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"time"
)

func main() {
	c := config{}
	flag.Uint64Var(&c.seed, "seed", 0, "repeat the rounds of the run that printed it; 0 takes another one")
	flag.Int64Var(&c.round, "round", -1, "play this round only")
	flag.IntVar(&c.steps, "steps", 3000, "steps of a round, about")
	flag.IntVar(&c.players, "players", 3, "rounds at the same time")
	flag.DurationVar(&c.length, "for", time.Minute, "how long to begin further rounds")
	flag.Parse()
	for c.seed == 0 {
		c.seed = rand.Uint64()
	}
	fmt.Printf("-seed %d -steps %d\n", c.seed, c.steps)
	total := &tally{}
	start := time.Now()
	err := c.run(total)
	total.print(os.Stdout)
	fmt.Printf("%d completions in %v\n", total.get("completions"), time.Since(start).Round(time.Millisecond))
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}
