// Package command is the program uring, as a function: cmd/uring runs it, and so does
// cmd/uring-metrics, a module of its own, with what the package is to stay free of.
package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/uring-go/uring"
)

// A command is one thing that the program does. run gets the arguments after
// the name and returns the exit status.
type command struct {
	name    string
	summary string
	run     func(args []string) int
}

var commands = []command{
	{"probe", "show what io_uring can do on this kernel", probe},
	{"demo", "send a file through the proxy in every mode and check it", demoCommand},
	{"files", "read a slow disk from thousands of goroutines, with package os and package file", filesCommand},
	{"proxy", "forward connections, over TCP and UNIX sockets", proxyCommand},
	{"sink", "receive over TCP, count and hash what comes", sinkCommand},
	{"send", "send pseudo-random bytes or a file over TCP", sendCommand},
	{"version", "print the version of the program, of Go and of liburing", versionCommand},
}

// Main runs the program with the arguments of the process and returns its exit
// status. m tells others of a proxy; nil refuses to.
func Main(m Monitor) int {
	monitor = m
	return checkClosed(run(os.Args[1:]))
}

// monitor is what Main was given.
var monitor Monitor

func run(args []string) int {
	if len(args) == 0 {
		usage(os.Stderr)
		return exitUsage
	}
	switch args[0] {
	case "help":
		if len(args) > 1 {
			return run(append(args[1:2:2], "-h"))
		}
		fallthrough
	case "-h", "-help", "--help":
		usage(os.Stdout)
		return 0
	case "-version", "--version":
		return versionCommand(nil)
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(args[1:])
		}
	}
	fmt.Fprintf(os.Stderr, "uring: there is no command %q; uring -h lists them\n", args[0])
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: uring command [flags]")
	fmt.Fprintln(w)
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.summary)
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "uring help command lists the flags of one.")
}

// versionCommand is "uring version".
func versionCommand(args []string) int {
	if status, over := parse(newFlags("version"), args); over {
		return status
	}
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version += " " + s.Value
			}
		}
	}
	header, linked := uring.LiburingVersion()
	fmt.Printf("uring %s, %s, liburing %s (header %s)\n", version, runtime.Version(), known(linked), known(header))
	return 0
}

// The exit statuses other than 0.
const (
	exitFailed = 1
	exitUsage  = 2
)

// newFlags returns an empty set of flags for the command name. Define flags in
// it, then call parse.
func newFlags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // parse prints
	return fs
}

// parse parses a command's flags; other arguments are an error. If over is
// true, the command only has to return status: it printed the help, or the
// arguments were wrong.
func parse(fs *flag.FlagSet, args []string) (status int, over bool) {
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Printf("usage: uring %s [flags]\n", fs.Name())
		fs.SetOutput(os.Stdout)
		fs.PrintDefaults()
		return 0, true
	}
	if err == nil && fs.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if err != nil {
		return misuse(fs.Name(), err), true
	}
	return 0, false
}

// misuse says what is wrong with a command's arguments and returns the exit
// status for it.
func misuse(name string, err error) int {
	fmt.Fprintf(os.Stderr, "uring %s: %v; uring %[1]s -h lists the flags\n", name, err)
	return exitUsage
}

// failed says why a command could not do its work and returns the exit status
// for it.
func failed(name string, err error) int {
	fmt.Fprintf(os.Stderr, "uring %s: %v\n", name, err)
	return exitFailed
}
