package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/iceber/iouring-go"

	"github.com/uring-go/uring/file"
)

// iouringWay reads with package iouring-go, and does the rest as package os.
type iouringWay struct {
	osWay
	ring *iouring.IOURing
}

// iouringEntries is what the ring holds at once; more goroutines wait.
const iouringEntries = 1024

func newIouringWay() (way, error) {
	ring, err := iouring.New(iouringEntries)
	return iouringWay{ring: ring}, err
}

func (w iouringWay) open(name string, flag int) (handle, error) {
	f, err := os.OpenFile(name, flag, 0o644)
	if err != nil {
		return nil, err
	}
	return iouringFile{f, int(f.Fd()), w.ring}, nil
}

func (w iouringWay) stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

func (w iouringWay) readBatch(handle, []file.Part) error { return errors.ErrUnsupported }

type iouringFile struct {
	*os.File
	fd   int
	ring *iouring.IOURing
}

func (f iouringFile) ReadAt(p []byte, off int64) (int, error) {
	r, err := f.ring.SubmitRequest(iouring.Pread(f.fd, p, uint64(off)), nil)
	if err != nil {
		return 0, err
	}
	<-r.Done()
	return r.ReturnInt()
}
