package file

import (
	"io/fs"
	"os"
)

// Open is [Engine.Open] with the default engine.
func Open(name string) (*File, error) { return Default().Open(name) }

// Create is [Engine.Create] with the default engine.
func Create(name string) (*File, error) { return Default().Create(name) }

// OpenFile is [Engine.OpenFile] with the default engine.
func OpenFile(name string, flag int, perm fs.FileMode) (*File, error) {
	return Default().OpenFile(name, flag, perm)
}

// Wrap is [Engine.Wrap] with the default engine.
func Wrap(f *os.File) (*File, error) { return Default().Wrap(f) }

// Stat is [Engine.Stat] with the default engine.
func Stat(name string) (fs.FileInfo, error) { return Default().Stat(name) }

// Lstat is [Engine.Lstat] with the default engine.
func Lstat(name string) (fs.FileInfo, error) { return Default().Lstat(name) }

// ReadFile is [Engine.ReadFile] with the default engine.
func ReadFile(name string) ([]byte, error) { return Default().ReadFile(name) }

// WriteFile is [Engine.WriteFile] with the default engine.
func WriteFile(name string, data []byte, perm fs.FileMode) error {
	return Default().WriteFile(name, data, perm)
}

// ReadDir is [Engine.ReadDir] with the default engine.
func ReadDir(name string) ([]fs.DirEntry, error) { return Default().ReadDir(name) }

// Remove is [Engine.Remove] with the default engine.
func Remove(name string) error { return Default().Remove(name) }

// Rename is [Engine.Rename] with the default engine.
func Rename(oldpath, newpath string) error { return Default().Rename(oldpath, newpath) }

// Mkdir is [Engine.Mkdir] with the default engine.
func Mkdir(name string, perm fs.FileMode) error { return Default().Mkdir(name, perm) }

// MkdirAll is [Engine.MkdirAll] with the default engine.
func MkdirAll(name string, perm fs.FileMode) error { return Default().MkdirAll(name, perm) }

// FS is [Engine.FS] with the default engine.
func FS(dir string) fs.FS { return Default().FS(dir) }
