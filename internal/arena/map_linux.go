//go:build !arm

package arena

import (
	"os"
	"syscall"
)

const (
	hugePage = 2 << 20
	// MAP_HUGE_2MB. Without it the kernel maps huge pages of its usual size.
	// Where that is another one, as on arm64 with pages of 16 KiB, it would
	// then refuse to unmap a part of such a page.
	thatSize = 21 << 26
)

// Map maps at least n bytes, rounded up to whole pages. With huge it asks for
// huge pages: reserved ones if the system has them, otherwise transparent
// ones.
func Map(n int, huge bool) (*Mapping, error) {
	const prot = syscall.PROT_READ | syscall.PROT_WRITE
	const flags = syscall.MAP_PRIVATE | syscall.MAP_ANON

	if huge {
		n = roundUp(n, hugePage)
		if mem, err := syscall.Mmap(-1, 0, n, prot, flags|syscall.MAP_HUGETLB|thatSize|syscall.MAP_POPULATE); err == nil {
			return &Mapping{mem: mem, huge: true}, nil
		}
	}
	mem, err := syscall.Mmap(-1, 0, roundUp(n, os.Getpagesize()), prot, flags)
	if err != nil {
		return nil, err
	}
	if huge {
		// Only advice: without transparent huge pages the memory works as well.
		_ = syscall.Madvise(mem, syscall.MADV_HUGEPAGE)
	}
	return &Mapping{mem: mem}, nil
}

// Unmap gives the memory back. The kernel must have no request left that uses
// it, and touching it afterwards is fatal.
func (m *Mapping) Unmap() error {
	mem := m.mem
	m.mem = nil
	if mem == nil || m.borrowed {
		return nil
	}
	return syscall.Munmap(mem)
}

func roundUp(n, page int) int { return (n + page - 1) / page * page }

// MapFile maps n bytes of a file from off on, shared with the kernel.
func MapFile(fd int, off int64, n int) (*Mapping, error) {
	const prot = syscall.PROT_READ | syscall.PROT_WRITE
	mem, err := syscall.Mmap(fd, off, n, prot, syscall.MAP_SHARED|syscall.MAP_POPULATE)
	if err != nil {
		return nil, err
	}
	return &Mapping{mem: mem}, nil
}
