package file

import (
	"context"
	"io/fs"

	"github.com/uring-go/uring"
	"github.com/uring-go/uring/internal/core"
)

// OpenFileContext is OpenFile until ctx ends.
func (e *Engine) OpenFileContext(ctx context.Context, name string, flag int, perm fs.FileMode) (*File, error) {
	f, err := e.open(ctx, name, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

func (e *Engine) open(ctx context.Context, name string, flag int, perm fs.FileMode) (*File, error) {
	fd, err := e.openPath(ctx, name, flag, perm)
	if err != nil {
		return nil, err
	}
	f, k, err := adopt(fd, name, flag)
	if err != nil {
		return nil, err
	}
	return e.newFile(f, fd, k, flag), nil
}

func (e *Engine) openPath(ctx context.Context, name string, flag int, perm fs.FileMode) (int, error) {
	if k := e.quick(e.paths); k != nil {
		defer k.give()
		return openFD(name, flag, perm)
	}
	if err := checkPath(name); err != nil {
		return 0, err
	}
	r := request(prepOpen, name)
	r.Flags, r.Mode = uint32(fullFlags(flag)), unixMode(perm)
	return e.carry(ctx, nil, r, nil, func() (int, error) { return openFD(name, flag, perm) })
}

func prepOpen(s uring.SQE, r *core.Request) error {
	return s.PrepOpenat(uring.AtFDCWD, r.Path, int(r.Flags), r.Mode)
}
