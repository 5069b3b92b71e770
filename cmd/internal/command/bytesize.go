package command

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A byteSize is a flag for a number of bytes: "4096", "64KiB", "1M".
type byteSize int64

// byteUnits holds the suffixes, longest first. All are powers of 1024, as in
// dd(1) and head(1).
var byteUnits = []struct {
	suffix string
	shift  uint
}{
	{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40},
	{"K", 10}, {"M", 20}, {"G", 30}, {"T", 40},
}

func parseByteSize(s string) (byteSize, error) {
	digits, shift := s, uint(0)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			digits, shift = rest, u.shift
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is no number of bytes; write 4096, 64KiB, 1M or 2GiB", s)
	}
	return byteSize(n << shift), nil
}

// Set is for package flag.
func (b *byteSize) Set(s string) (err error) {
	*b, err = parseByteSize(s)
	return err
}

// String writes whole units as such: 65536 is "64KiB".
func (b byteSize) String() string {
	for i := 3; i >= 0; i-- {
		if u := byteUnits[i]; b != 0 && b&(1<<u.shift-1) == 0 {
			return fmt.Sprintf("%d%s", int64(b)>>u.shift, u.suffix)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}
