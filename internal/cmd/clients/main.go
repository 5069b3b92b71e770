//go:build linux

// Command clients runs the programs of others through "uring proxy": redis,
// nginx with curl, PostgreSQL, iperf3, ssh and socat, in each mode of the proxy,
// and compares bytes and results with those of a direct run. Then it does to the
// proxy what a bad day does, and measures processor time, beside haproxy and
// socat in the same run.
//
// It prints a line for each check, writes a table in Markdown, and fails if
// anything fails through the proxy that passes without it.
//
//	go run ./internal/cmd/clients -uring bin/uring -quick
//
// scripts/clients/test.sh installs the programs and runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	var s suite
	only := flag.String("only", "", "run the checks whose name and mode, as in \"redis: redis-benchmark, sqpoll\", match this expression")
	flag.StringVar(&s.uring, "uring", "bin/uring", "the program uring")
	flag.BoolVar(&s.quick, "quick", false, "small sizes: under 3 minutes instead of 15")
	flag.StringVar(&s.table, "table", "", "write the table into this file, between its marks if it has them")
	flag.BoolVar(&s.keep, "keep", false, "keep the folder with the logs")
	flag.Parse()
	var err error
	if s.only, err = regexp.Compile(*only); err != nil || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "clients: -only wants a regular expression, and there are no other arguments")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	s.ctx = ctx
	err = s.run()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		os.Exit(1)
	}
}
