//go:build !linux || arm

package arena

import "syscall"

// Map fails: there is no io_uring here to map memory for, and for arm Go lacks
// the names of what it takes.
func Map(int, bool) (*Mapping, error) { return nil, syscall.ENOSYS }

// MapFile fails, like Map.
func MapFile(int, int64, int) (*Mapping, error) { return nil, syscall.ENOSYS }

// Unmap does nothing.
func (m *Mapping) Unmap() error { return nil }
