package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A filesConfig says what "uring files" shows.
type filesConfig struct {
	readers []int
	reads   int // a second that the disk gives
	time    time.Duration
	path    string // read this file, at the speed of its disk
}

// filesCommand is "uring files".
func filesCommand(args []string) int {
	fs := newFlags("files")
	c := filesConfig{readers: []int{64, 1000, 12000}}
	fs.Func("readers", "comma-separated `numbers` of goroutines that read at the same time (default 64,1000,12000)", func(s string) (err error) {
		c.readers, err = numbers(s)
		return err
	})
	fs.IntVar(&c.reads, "reads", 1500, "`reads` a second that the slow disk gives")
	fs.DurationVar(&c.time, "time", 5*time.Second, "how `long` each of the runs takes")
	fs.StringVar(&c.path, "file", "", "read this `file`, at the speed of its disk, instead of a slow disk made here")
	side := fs.String("side", "", "be one `side`, os or file; the command starts itself with this")
	if status, over := parse(fs, args); over {
		return status
	}
	if c.reads < 1 || c.time < 100*time.Millisecond {
		return misuse("files", errors.New("-reads must be at least 1, and -time at least 100ms"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func() error { return showFiles(ctx, c, os.Stdout) }
	if *side != "" {
		run = func() error { return runSide(*side, c.path, c.readers[0], c.time, os.Stdout) }
	}
	if err := run(); err != nil {
		return failed("files", err)
	}
	return 0
}

// numbers returns the numbers in a list.
func numbers(s string) (list []int, err error) {
	for _, field := range strings.Split(s, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number of goroutines", field)
		}
		list = append(list, n)
	}
	return list, nil
}

// showFiles reads a slow disk through package os and through package file, and
// shows what each costs.
func showFiles(ctx context.Context, c filesConfig, out io.Writer) (err error) {
	where := slowDisk{procs: os.DevNull}
	if c.path == "" {
		if err := where.make(c.reads); err != nil {
			return errors.Join(fmt.Errorf("no slow disk can be made here, -file names a file of yours: %w", err), where.remove())
		}
		defer func() { err = errors.Join(err, where.remove()) }()
		c.path = where.file
		fmt.Fprintf(out, "Goroutines read 4 KiB at random places of a disk that gives %d reads a second, for %v each.\n", c.reads, c.time)
	} else {
		fmt.Fprintf(out, "Goroutines read 4 KiB at random places of %s, past the page cache, for %v each.\n", c.path, c.time)
	}
	fmt.Fprintf(out, "\n%10s  %-13s %8s %12s %16s\n", "goroutines", "through", "threads", "reads/s", "CPU µs for one")
	live := isTerminal(out)
	for _, n := range c.readers {
		for _, side := range []string{"os", "file"} {
			s, err := c.runChild(ctx, side, n, where.procs, func(s sideState) {
				if live {
					fmt.Fprintf(out, "\r%s", s.row(n, side))
				}
			})
			if ctx.Err() != nil {
				return nil
			}
			if live {
				fmt.Fprint(out, "\r")
			}
			fmt.Fprint(out, s.row(n, side))
			if err != nil {
				fmt.Fprintf(out, "  %v", err)
				if side == "file" {
					return errors.New("package file failed")
				}
			}
			fmt.Fprintln(out)
		}
	}
	return nil
}

func (s sideState) row(n int, side string) string {
	return fmt.Sprintf("%10d  %-13s %8d %12.0f %16.1f", n, "package "+side, s.Threads, s.Rate, s.CPU)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// runChild runs one side in a process of its own, which may crash, and in the
// control group of the slow disk.
func (c filesConfig) runChild(ctx context.Context, side string, readers int, procs string, show func(sideState)) (last sideState, err error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `echo $$ > "$0" && exec "$@"`, procs, "/proc/"+strconv.Itoa(os.Getpid())+"/exe", "files",
		"-side", side, "-readers", strconv.Itoa(readers), "-time", c.time.String(), "-file", c.path)
	var said strings.Builder
	cmd.Stderr = &limitedWriter{&said, 1 << 16}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return last, err
	}
	if err := cmd.Start(); err != nil {
		return last, err
	}
	lines := bufio.NewScanner(pipe)
	for lines.Scan() {
		if json.Unmarshal(lines.Bytes(), &last) == nil {
			show(last)
		}
	}
	if err := cmd.Wait(); err != nil {
		return last, fmt.Errorf("crashed: %s", crash(said.String(), err))
	}
	return last, nil
}

// crash returns what Go's runtime printed when the program ended.
func crash(said string, err error) string {
	for line := range strings.Lines(said) {
		if reason, ok := strings.CutPrefix(line, "fatal error: "); ok {
			return strings.TrimSpace(reason)
		}
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(said), "\n"); line != "" {
		return line
	}
	return err.Error()
}

// limitedWriter keeps the beginning: a crash names every goroutine.
type limitedWriter struct {
	w    io.Writer
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	keep := p[:min(len(p), l.left)]
	l.left -= len(keep)
	if _, err := l.w.Write(keep); err != nil {
		return 0, err
	}
	return len(p), nil
}
