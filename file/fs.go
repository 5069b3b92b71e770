package file

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS returns the tree of files below dir, read by the engine. It has the
// methods ReadFile, ReadDir, Stat, Sub, Lstat and ReadLink beside Open. As with
// [os.DirFS], symbolic links may lead out of it.
func (e *Engine) FS(dir string) fs.FS { return &tree{e, dir} }

type tree struct {
	engine *Engine
	dir    string
}

// path returns where a name of the tree is.
func (t *tree) path(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if t.dir == "" {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(t.dir, filepath.FromSlash(name)), nil
}

// in makes an error name the file as the tree does.
func in(name string, err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		pe.Path = name
	}
	return err
}

func (t *tree) Open(name string) (fs.File, error) {
	path, err := t.path("open", name)
	if err != nil {
		return nil, err
	}
	f, err := t.engine.Open(path)
	if err != nil {
		return nil, in(name, err)
	}
	return f, nil
}

func (t *tree) ReadFile(name string) ([]byte, error) {
	path, err := t.path("readfile", name)
	if err != nil {
		return nil, err
	}
	data, err := t.engine.ReadFile(path)
	return data, in(name, err)
}

func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	path, err := t.path("readdir", name)
	if err != nil {
		return nil, err
	}
	list, err := t.engine.ReadDir(path)
	return list, in(name, err)
}

func (t *tree) Stat(name string) (fs.FileInfo, error) {
	path, err := t.path("stat", name)
	if err != nil {
		return nil, err
	}
	i, err := t.engine.Stat(path)
	return i, in(name, err)
}

func (t *tree) Lstat(name string) (fs.FileInfo, error) {
	path, err := t.path("lstat", name)
	if err != nil {
		return nil, err
	}
	i, err := t.engine.Lstat(path)
	return i, in(name, err)
}

func (t *tree) ReadLink(name string) (string, error) {
	path, err := t.path("readlink", name)
	if err != nil {
		return "", err
	}
	target, err := os.Readlink(path)
	return target, in(name, err)
}

func (t *tree) Sub(dir string) (fs.FS, error) {
	if dir == "." {
		return t, nil
	}
	path, err := t.path("sub", dir)
	if err != nil {
		return nil, err
	}
	return &tree{t.engine, path}, nil
}

// What files are.
var (
	_ fs.ReadDirFile     = (*File)(nil)
	_ io.ReaderAt        = (*File)(nil)
	_ io.WriterAt        = (*File)(nil)
	_ io.ReaderFrom      = (*File)(nil)
	_ io.WriterTo        = (*File)(nil)
	_ io.ReadWriteSeeker = (*File)(nil)
	_ io.StringWriter    = (*File)(nil)
	_ fs.ReadFileFS      = (*tree)(nil)
	_ fs.ReadDirFS       = (*tree)(nil)
	_ fs.StatFS          = (*tree)(nil)
	_ fs.SubFS           = (*tree)(nil)
)
