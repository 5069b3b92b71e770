// Command uring-metrics is the program uring, with -metrics for its proxy: Prometheus at
// /metrics, /healthz, and with -pprof Go's profiles. It is a module of its own because
// the package is to stay free of the library that this takes.
package main

import (
	"os"

	"github.com/uring-go/uring/cmd/internal/command"
)

func main() { os.Exit(command.Main(serve)) }
