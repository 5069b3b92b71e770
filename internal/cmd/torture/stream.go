//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
)

// A stream is an endless sequence of bytes that follows from its key: whoever has
// the key knows the byte at each position, and sees at once one that is from
// elsewhere.
type stream uint64

// mix spreads the bits of x.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (s stream) word(pos int64) uint64 { return mix(uint64(s) + uint64(pos)>>3) }

func (s stream) at(pos int64) byte { return byte(s.word(pos) >> (pos & 7 * 8)) }

// fill fills p with what is at pos.
func (s stream) fill(p []byte, pos int64) {
	for ; len(p) > 0 && pos&7 != 0; pos++ {
		p[0] = s.at(pos)
		p = p[1:]
	}
	for ; len(p) >= 8; pos += 8 {
		binary.LittleEndian.PutUint64(p, s.word(pos))
		p = p[8:]
	}
	for i := range p {
		p[i] = s.at(pos + int64(i))
	}
}

// wrong returns the index of the first byte of p that is not the stream's at pos,
// or -1.
func (s stream) wrong(p []byte, pos int64) int {
	i := 0
	for ; i < len(p) && (pos+int64(i))&7 != 0; i++ {
		if p[i] != s.at(pos+int64(i)) {
			return i
		}
	}
	for ; len(p)-i >= 8 && binary.LittleEndian.Uint64(p[i:]) == s.word(pos+int64(i)); i += 8 {
	}
	for ; i < len(p); i++ {
		if p[i] != s.at(pos+int64(i)) {
			return i
		}
	}
	return -1
}

// find returns the position between from and to where the stream has all of p, or
// -1.
func (s stream) find(p []byte, from, to int64) int64 {
	for pos := max(from, 0); pos < to; pos++ {
		if p[0] == s.at(pos) && s.wrong(p, pos) < 0 {
			return pos
		}
	}
	return -1
}

// A run is a part of a stream.
type run struct {
	of  stream
	pos int64
	n   int
}

// A datagram says which one it is: its number, its length and a mark that
// follows from the key and the number. The rest is a stream of its own.
const (
	datagramHeader = 8
	datagramMost   = 200
)

func (s stream) datagram(number uint32, n int) []byte {
	p := make([]byte, n)
	own := stream(mix(uint64(s) ^ uint64(number)))
	own.fill(p, 0)
	binary.BigEndian.PutUint32(p, number)
	binary.BigEndian.PutUint16(p[4:], uint16(n))
	return p
}

// checkDatagram returns the number of a datagram of which p is the beginning, and
// its length.
func (s stream) checkDatagram(p []byte) (number uint32, n int, err error) {
	number = binary.BigEndian.Uint32(p)
	n = int(binary.BigEndian.Uint16(p[4:]))
	own := stream(mix(uint64(s) ^ uint64(number)))
	if i := own.wrong(p[6:], 6); len(p) > n || i >= 0 {
		return 0, 0, fmt.Errorf("a datagram of %d bytes that calls itself number %d of %d bytes is wrong from byte %d on: %.32x", len(p), number, n, i+6, p)
	}
	return number, n, nil
}
