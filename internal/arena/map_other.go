//go:build !linux || arm

package arena

import "syscall"

// Map fails: without io_uring nobody needs the memory, and for arm Go lacks the
// constants.
func Map(int, bool) (*Mapping, error) { return nil, syscall.ENOSYS }

// MapFile fails, like Map.
func MapFile(int, int64, int) (*Mapping, error) { return nil, syscall.ENOSYS }

// Unmap does nothing.
func (m *Mapping) Unmap() error { return nil }
