// Copytree copies a folder with all that is in it, as cp -r does: each file in
// a goroutine of its own, hundreds at the same time, and few threads.
//
//	go run ./examples/copytree from to
package main

import (
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"sync"

	"github.com/uring-go/uring/file"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: copytree from to")
	}
	c := newCopier()
	c.folder(os.Args[1], os.Args[2])
	if err := c.wait(); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d files, %d folders, %d bytes\n", c.files, c.folders, c.bytes)
}

// A copier is a copy on its way.
type copier struct {
	running sync.WaitGroup
	open    chan struct{} // limits how many files are open

	mu             sync.Mutex
	err            error // the first one
	files, folders int
	bytes          int64
}

func newCopier() *copier { return &copier{open: make(chan struct{}, 256)} }

// wait waits for everything that was started.
func (c *copier) wait() error {
	c.running.Wait()
	return c.err
}

// done notes what came of a piece of work.
func (c *copier) done(files, folders int, bytes int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files, c.folders, c.bytes = c.files+files, c.folders+folders, c.bytes+bytes
	if c.err == nil {
		c.err = err
	}
}

// folder copies a folder, and starts to copy what is in it.
func (c *copier) folder(from, to string) {
	list, err := file.ReadDir(from)
	if err == nil {
		err = file.MkdirAll(to, 0o755)
	}
	c.done(0, 1, 0, err)
	if err != nil {
		return
	}
	for _, entry := range list {
		from, to := filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())
		c.running.Add(1)
		go func() {
			defer c.running.Done()
			c.entry(entry, from, to)
		}()
	}
}

func (c *copier) entry(entry fs.DirEntry, from, to string) {
	switch {
	case entry.IsDir():
		c.folder(from, to)
	case entry.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err == nil {
			err = os.Symlink(target, to)
		}
		c.done(1, 0, 0, err)
	case entry.Type().IsRegular():
		c.open <- struct{}{}
		n, err := copyFile(from, to)
		<-c.open
		c.done(1, 0, n, err)
	default:
		c.done(0, 0, 0, fmt.Errorf("%s is neither a file nor a folder", from))
	}
}

func copyFile(from, to string) (n int64, err error) {
	in, err := file.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return 0, err
	}
	out, err := file.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	if err != nil {
		return 0, err
	}
	n, err = out.ReadFrom(in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return n, err
}
