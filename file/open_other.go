//go:build !linux

package file

import (
	"context"
	"io/fs"
	"os"
)

// OpenFileContext is OpenFile until ctx ends.
func (e *Engine) OpenFileContext(ctx context.Context, name string, flag int, perm fs.FileMode) (*File, error) {
	var f *os.File
	_, err := e.blocking(ctx, func() (_ int, err error) {
		f, err = os.OpenFile(name, flag, perm)
		return 0, err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: bare(err)}
	}
	return e.Wrap(f)
}

func retry(call func() error) error { return call() }

func unixMode(perm fs.FileMode) uint32 { return uint32(perm.Perm()) }
