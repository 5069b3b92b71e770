// Copy copies a file. Each block is a read with a write linked to it, so that
// the kernel starts the write when the read is done, and several blocks are on
// their way at once.
//
//	go run ./examples/copy from to
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"syscall"

	"github.com/uring-go/uring"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: copy from to")
	}
	if err := copyFile(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

const (
	blockSize = 64 << 10
	depth     = 8 // blocks on their way at once
)

// The kinds of requests. The slot of a token is the block.
const (
	reading = iota + 1
	writing
	syncing
)

// A copier is a copy on its way.
type copier struct {
	ring   *uring.Ring
	in     uring.FD
	out    uring.FD
	size   int64
	next   int64 // where the next block begins
	blocks [depth]block
}

// A block is a part of the file that one pair of requests copies.
type block struct {
	buf      []byte
	off, end int64 // what is still to be copied of it
	read     int32 // what the read said
}

func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", from)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	c := copier{in: uring.FD(in.Fd()), out: uring.FD(out.Fd()), size: info.Size()}
	err = uring.Serve(uring.Config{}, func(ring *uring.Ring) error {
		c.ring = ring
		return c.run()
	})
	runtime.KeepAlive(&c) // after an error, requests use the blocks until the ring is closed
	return err
}

// run copies everything and writes it to the disk. On an error it returns at
// once: closing the ring ends the requests that are on their way.
func (c *copier) run() error {
	busy := 0
	for i := range c.blocks {
		c.blocks[i].buf = make([]byte, blockSize)
		more, err := c.start(i)
		if err != nil {
			return err
		}
		if more {
			busy++
		}
	}
	for busy > 0 {
		if _, err := c.ring.SubmitAndWait(1); err != nil {
			return err
		}
		for cqe := range c.ring.Completions() {
			i := int(cqe.Token().Slot())
			if cqe.Token().Kind() == reading {
				c.blocks[i].read = cqe.Res // the write's completion follows
				continue
			}
			more, err := c.written(i, cqe)
			if err != nil {
				return err
			}
			if !more {
				busy--
			}
		}
	}
	return c.sync()
}

// start begins with the next part of the file, if there is one.
func (c *copier) start(i int) (more bool, err error) {
	b := &c.blocks[i]
	b.off, b.end = c.next, min(c.next+blockSize, c.size)
	c.next = b.end
	if b.off == b.end {
		return false, nil
	}
	return true, c.pair(i, b.end-b.off)
}

// pair queues a read of the block's next n bytes, and a write of them. A read
// that is short breaks the link, and the write is cancelled.
func (c *copier) pair(i int, n int64) error {
	if err := c.ring.MakeRoom(2); err != nil {
		return err
	}
	read, err := c.ring.Request(uring.MakeToken(reading, 0, uint32(i)))
	if err != nil {
		return err
	}
	b := &c.blocks[i]
	read.PrepRead(c.in, b.buf[:n], uint64(b.off))
	if err := read.SetFlags(uring.Link); err != nil {
		return err
	}
	write, err := c.ring.Request(uring.MakeToken(writing, 0, uint32(i)))
	if err != nil {
		return err
	}
	write.PrepWrite(c.out, b.buf[:n], uint64(b.off))
	return nil
}

// written goes on when a pair is done: with the rest of the block after a short
// write, with as much as there was to read after a short read, else with
// another block.
func (c *copier) written(i int, cqe uring.CQE) (more bool, err error) {
	b := &c.blocks[i]
	switch {
	case b.read < 0:
		return false, fmt.Errorf("read: %w", syscall.Errno(-b.read))
	case b.read == 0:
		return false, fmt.Errorf("the file became shorter: %w", io.ErrUnexpectedEOF)
	case cqe.Err() == syscall.ECANCELED:
		return true, c.pair(i, int64(b.read))
	case cqe.Err() != nil:
		return false, fmt.Errorf("write: %w", cqe.Err())
	}
	if b.off += int64(cqe.Res); b.off < b.end {
		return true, c.pair(i, b.end-b.off)
	}
	return c.start(i)
}

func (c *copier) sync() error {
	sqe, err := c.ring.Request(uring.MakeToken(syncing, 0, 0))
	if err != nil {
		return err
	}
	sqe.PrepFsync(c.out, 0)
	cqe, err := c.ring.Wait()
	if err != nil {
		return err
	}
	return cqe.Err()
}
