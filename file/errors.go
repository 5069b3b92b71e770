package file

import (
	"errors"
	"io/fs"
	"os"
)

// bare returns what package os found wrong, without the names.
func bare(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}

// The errors of arguments that make no sense, as package os has them.
var (
	errNegativeOffset = errors.New("negative offset")
	errAppend         = errors.New("WriteAt on a file opened with O_APPEND")
)
