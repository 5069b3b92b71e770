package uring

import (
	"errors"
	"fmt"
	"math"
	"syscall"

	"github.com/uring-go/uring/cgo"
)

// RegisterFiles gives the ring a table of n direct descriptors, all empty.
// Requests fill slots ([SQE.PrepAcceptDirect], [SQE.PrepSocketDirect]), and so
// does [Ring.UpdateFile]. n is bounded by RLIMIT_NOFILE. Linux 5.19. See
// io_uring_register_files_sparse(3).
func (r *Ring) RegisterFiles(n int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if n < 1 || n > math.MaxInt32 {
		return fmt.Errorf("uring: RegisterFiles: %d slots, want 1 or more", n)
	}
	if err := r.noFiles("RegisterFiles"); err != nil {
		return err
	}
	return r.registeredFiles(n, r.drv.RegisterFilesSparse(uint32(n)))
}

// RegisterFDs gives the ring a table of direct descriptors made of ordinary
// ones: fds[i] comes into slot i, and -1 leaves the slot empty. The ring keeps
// the files open by itself. See io_uring_register_files(3).
func (r *Ring) RegisterFDs(fds []int) error { return r.registerFDs("RegisterFDs", fds, nil) }

// RegisterFDsTagged is [Ring.RegisterFDs] with a tag for each slot. When the
// ring has let go of a file, after the last request that used it, a completion
// comes whose user data is the file's tag, unless that is 0. Up to Linux 6.12
// none comes for what goes with the whole table, [Ring.UnregisterFiles]. Linux
// 5.13. See
// io_uring_register_files_tags(3).
func (r *Ring) RegisterFDsTagged(fds []int, tags []uint64) error {
	if err := checkTags("RegisterFDsTagged", len(fds), tags); err != nil {
		return err
	}
	return r.registerFDs("RegisterFDsTagged", fds, tags)
}

func (r *Ring) registerFDs(method string, fds []int, tags []uint64) error {
	if err := r.usable(); err != nil {
		return err
	}
	if err := r.noFiles(method); err != nil {
		return err
	}
	if len(fds) == 0 {
		return fmt.Errorf("uring: %s: no descriptors; RegisterFiles makes an empty table", method)
	}
	list, err := descriptors(method, fds, -1)
	if err != nil {
		return err
	}
	r.tagged(tags)
	return r.registeredFiles(len(fds), r.drv.RegisterFiles(list, tags))
}

func (r *Ring) noFiles(method string) error {
	if r.files > 0 {
		return fmt.Errorf("uring: %s: the ring has a table of %d slots; UnregisterFiles drops it", method, r.files)
	}
	return nil
}

// registeredFiles notes the table of n slots that a call made, if it did.
func (r *Ring) registeredFiles(n, rc int) error {
	err := check(opRegisterFiles, rc)
	if errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("%w: %d slots are more than RLIMIT_NOFILE allows (ulimit -n)", err, n)
	}
	if err == nil {
		r.files = n
	}
	return err
}

// descriptors converts fds to int32 and refuses any below least.
func descriptors(method string, fds []int, least int) ([]int32, error) {
	list := make([]int32, len(fds))
	for i, fd := range fds {
		if fd < least || fd > math.MaxInt32 {
			return nil, fmt.Errorf("uring: %s: %d is no descriptor", method, fd)
		}
		list[i] = int32(fd)
	}
	return list, nil
}

func checkTags(method string, n int, tags []uint64) error {
	if len(tags) != n {
		return fmt.Errorf("uring: %s: %d tags for %d slots; a tag of 0 is none", method, len(tags), n)
	}
	return nil
}

// UpdateFile puts the ordinary descriptor fd into a slot of the table of
// direct descriptors, or empties the slot if fd is -1. The ring keeps the file
// open by itself: fd may be closed. See io_uring_register_files_update(3).
func (r *Ring) UpdateFile(d Direct, fd int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if d.Slot() >= r.files {
		return fmt.Errorf("uring: UpdateFile: no slot %d, RegisterFiles made %d", d.Slot(), r.files)
	}
	if fd < -1 || fd > math.MaxInt32 {
		return fmt.Errorf("uring: UpdateFile: %d is no descriptor", fd)
	}
	return check(opUpdateFiles, r.drv.UpdateFiles(d.slot, []int32{int32(fd)}))
}

// KeepFile, in place of a descriptor, makes [Ring.UpdateFiles] leave a slot as
// it is.
const KeepFile = cgo.RegisterFilesSkip

// UpdateFiles puts ordinary descriptors into the slots from first on: -1
// empties a slot, [KeepFile] leaves it as it is. It returns the number of slots
// updated; if that is less than len(fds), the error says why the next one was not.
// See io_uring_register_files_update(3).
func (r *Ring) UpdateFiles(first Direct, fds []int) (int, error) {
	return r.updateFiles("UpdateFiles", first, fds, nil)
}

// UpdateFilesTagged is [Ring.UpdateFiles] with a tag for each file, see
// [Ring.RegisterFDsTagged]. Slots that are emptied, or left alone, take the
// tag 0. Linux 5.13. See io_uring_register_files_update_tag(3).
func (r *Ring) UpdateFilesTagged(first Direct, fds []int, tags []uint64) (int, error) {
	if err := checkTags("UpdateFilesTagged", len(fds), tags); err != nil {
		return 0, err
	}
	return r.updateFiles("UpdateFilesTagged", first, fds, tags)
}

func (r *Ring) updateFiles(method string, first Direct, fds []int, tags []uint64) (int, error) {
	if err := r.usable(); err != nil {
		return 0, err
	}
	if len(fds) == 0 || first.Slot()+len(fds) > r.files {
		return 0, fmt.Errorf("uring: %s: slots %d to %d, the table has %d", method, first.Slot(), first.Slot()+len(fds)-1, r.files)
	}
	list, err := descriptors(method, fds, KeepFile)
	if err != nil {
		return 0, err
	}
	r.tagged(tags)
	var rc int
	if tags == nil {
		rc = r.drv.UpdateFiles(first.slot, list)
	} else {
		rc = r.drv.UpdateFilesTags(first.slot, list, tags)
	}
	if err := check(opUpdateFiles, rc); err != nil {
		return 0, err
	}
	if rc < len(fds) {
		// The kernel tells the number only: the slot after it has the error.
		return rc, fmt.Errorf("uring: %s: stopped at slot %d: is %d an open descriptor?", method, first.Slot()+rc, fds[rc])
	}
	return rc, nil
}

// SetFileAllocRange limits the slots that requests with [DirectAlloc] may pick
// to n slots from first on. Linux 6.0. See io_uring_register_file_alloc_range(3).
func (r *Ring) SetFileAllocRange(first Direct, n int) error {
	if err := r.usable(); err != nil {
		return err
	}
	if n < 1 || first.Slot()+n > r.files {
		return fmt.Errorf("uring: SetFileAllocRange: slots %d to %d, RegisterFiles made %d", first.Slot(), first.Slot()+n-1, r.files)
	}
	return check("set the range of direct descriptors", r.drv.RegisterFileAllocRange(first.slot, uint32(n)))
}

// UnregisterFiles drops the table of direct descriptors. Files in it are
// closed when the last request that uses them is over. Before Linux 6.13 it waits
// for that request, with [SetupDeferTaskrun] for ever: end it first. See
// io_uring_unregister_files(3).
func (r *Ring) UnregisterFiles() error {
	if err := r.usable(); err != nil {
		return err
	}
	err := check("unregister files", afterSignals(r.drv.UnregisterFiles))
	if err == nil {
		r.files = 0
	}
	return err
}
