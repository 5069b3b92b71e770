package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
)

// sendArgs parses what follows "uring send"; see parse.
func sendArgs(args []string) (cfg sendConfig, status int, over bool) {
	fs := newFlags("send")
	cfg.Ended = printConn
	var (
		bytes byteSize
		msg   = byteSize(64 << 10)
	)
	fs.StringVar(&cfg.To, "to", "", "`host:port` to connect to")
	fs.Var(&bytes, "bytes", "send this many pseudo-random `bytes` over each connection")
	fs.StringVar(&cfg.File, "file", "", "send what the file at `path` holds over each connection; - is standard input, over one")
	fs.IntVar(&cfg.Repeat, "repeat", 1, "send the file `n` times, one after the other")
	fs.Var(&msg, "msg-size", "send this many `bytes` at once")
	fs.IntVar(&cfg.Conns, "conns", 1, "open `n` connections")
	fs.Uint64Var(&cfg.Seed, "seed", 1, "`number` that the pseudo-random bytes follow from, others for each connection")
	fs.BoolVar(&cfg.SHA256, "sha256", false, "print the SHA-256 of what each connection sent")
	fs.BoolVar(&cfg.NoDelay, "nodelay", false, "set TCP_NODELAY: do not gather small messages")
	if status, over := parse(fs, args); over {
		return cfg, status, true
	}
	cfg.Bytes, cfg.MsgSize = int64(bytes), int(msg)
	if err := cfg.check(given(fs)); err != nil {
		return cfg, misuse("send", err), true
	}
	return cfg, 0, false
}

// sendCommand is "uring send".
func sendCommand(args []string) int {
	cfg, status, over := sendArgs(args)
	if over {
		return status
	}
	return runTransfer("send", func(ctx context.Context) (transferResult, error) { return runSend(ctx, cfg) })
}

// given returns the names of the flags that were given.
func given(fs *flag.FlagSet) map[string]bool {
	names := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { names[f.Name] = true })
	return names
}

// maxMsgSize keeps a message below what one request sends at most.
const maxMsgSize = 1 << 30

func (c sendConfig) check(given map[string]bool) error {
	switch {
	case c.To == "":
		return errors.New("-to is missing, the host:port to connect to")
	case given["bytes"] == given["file"]:
		return errors.New("want either -bytes or -file, and not both")
	case given["repeat"] && !given["file"]:
		return errors.New("-repeat goes with -file only")
	case given["seed"] && !given["bytes"]:
		return errors.New("-seed goes with -bytes only")
	case c.File == stdinName && (c.Repeat != 1 || c.Conns != 1):
		return errors.New("-file - can be sent once, over one connection")
	case c.Repeat < 1 || c.Repeat > math.MaxInt32:
		return fmt.Errorf("-repeat is %d, want 1 or more", c.Repeat)
	case c.MsgSize < 1 || c.MsgSize > maxMsgSize:
		return fmt.Errorf("-msg-size is %d, want 1 to %v", c.MsgSize, byteSize(maxMsgSize))
	case c.Conns < 1 || c.Conns > math.MaxInt16:
		return fmt.Errorf("-conns is %d, want 1 to %d", c.Conns, math.MaxInt16)
	}
	return nil
}
