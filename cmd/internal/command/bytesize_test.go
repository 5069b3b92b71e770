package command

import (
	"math"
	"testing"
)

func TestByteSizeSuffixesArePowersOf1024(t *testing.T) {
	for s, want := range map[string]byteSize{
		"0": 0, "1": 1, "4096": 4096,
		"1K": 1 << 10, "3KiB": 3 << 10, "5M": 5 << 20, "7MiB": 7 << 20,
		"2G": 2 << 30, "2GiB": 2 << 30, "1T": 1 << 40, "1TiB": 1 << 40,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, err := parseByteSize(s); err != nil || got != want {
			t.Errorf("parseByteSize(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
}

func TestByteSizeRefusesWhatIsNoNumberOfBytes(t *testing.T) {
	for _, s := range []string{"", "K", "-1", "1.5M", "1KB", "12 K", "9223372036854775808", "8388608TiB"} {
		if got, err := parseByteSize(s); err == nil {
			t.Errorf("parseByteSize(%q) = %d, want an error", s, got)
		}
	}
}

func TestByteSizeStringReadsBack(t *testing.T) {
	for size, want := range map[byteSize]string{
		0: "0", 1: "1", 1000: "1000", 1024: "1KiB", 65536: "64KiB", 3 << 20: "3MiB", 1 << 40: "1TiB", 1<<20 + 1: "1048577",
	} {
		got := size.String()
		if back, err := parseByteSize(got); got != want || err != nil || back != size {
			t.Errorf("byteSize(%d).String() = %q, want %q; parsed: %d, %v", int64(size), got, want, back, err)
		}
	}
}
