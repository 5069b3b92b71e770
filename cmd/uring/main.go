// Command uring shows what io_uring can do here, and does it.
//
//	uring probe     what the kernel can do, and what to do about the rest
//	uring demo      a file through the proxy in every mode, checked
//	uring files     thousands of goroutines read a slow disk
//	uring proxy     forward connections
//	uring sink      receives over TCP, counts and hashes what comes
//	uring send      sends pseudo-random bytes or a file over TCP
//	uring version   the program's version, Go's and liburing's
//
// "uring -h" lists the commands; "uring help command" and "uring command -h" list the
// flags of one.
package main

import (
	"os"

	"github.com/uring-go/uring/cmd/internal/command"
)

func main() { os.Exit(command.Main(nil)) }
