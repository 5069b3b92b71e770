package command

import (
	"encoding/binary"
	"fmt"
	"os"
)

// A content is a sequence of bytes to send. Any part of it can be read, so that
// a receiver can be checked, too.
type content interface {
	size() int64
	// fill fills p with the bytes from off on. The content has them.
	fill(p []byte, off int64) error
}

// Random content must cost little more than a copy, or making it up would take
// longer than sending it. So it consists of units that are copied from a block
// of pseudo-random bytes, and each gets its own first word. Connections start
// at different units of the block: no unit is like one nearby, or like the one
// at the same offset of another connection.
const (
	unitSize   = 256
	blockUnits = 4096
)

// randomBlock returns the block that all connections with the same seed copy
// from.
func randomBlock(seed uint64) []byte {
	block := make([]byte, blockUnits*unitSize)
	for i := 0; i < len(block); i += 8 {
		binary.LittleEndian.PutUint64(block[i:], mix(seed, uint64(i)))
	}
	return block
}

// A randomContent is n pseudo-random bytes.
type randomContent struct {
	n     int64
	block []byte
	key   uint64 // of the first words
	start int64  // unit of the block where the content starts
}

func newRandomContent(n int64, block []byte, seed uint64, conn int) randomContent {
	return randomContent{n, block, mix(seed, ^uint64(conn)), int64(conn)}
}

func (c randomContent) size() int64 { return c.n }

func (c randomContent) fill(p []byte, off int64) error {
	var word [8]byte
	for len(p) > 0 {
		unit, in := off/unitSize, int(off%unitSize)
		from := c.block[(c.start+unit)%blockUnits*unitSize:][:unitSize]
		n := copy(p, from[in:])
		if in < len(word) {
			binary.LittleEndian.PutUint64(word[:], mix(c.key, uint64(unit)))
			copy(p[:n], word[in:])
		}
		p = p[n:]
		off += int64(n)
	}
	return nil
}

// mix returns the n-th number of the SplitMix64 generator for a seed.
func mix(seed, n uint64) uint64 {
	z := seed + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// A fileContent is what a file held when it was opened, repeated.
type fileContent struct {
	file   *os.File
	length int64
	repeat int64
}

func openFileContent(path string, repeat int) (*fileContent, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &fileContent{f, info.Size(), int64(repeat)}, nil
}

func (c *fileContent) size() int64 { return c.length * c.repeat }

func (c *fileContent) fill(p []byte, off int64) error {
	for len(p) > 0 {
		at := off % c.length
		n := min(int64(len(p)), c.length-at)
		if _, err := c.file.ReadAt(p[:n], at); err != nil {
			return fmt.Errorf("read %s, which had %d bytes at the start: %w", c.file.Name(), c.length, err)
		}
		p = p[n:]
		off += n
	}
	return nil
}
