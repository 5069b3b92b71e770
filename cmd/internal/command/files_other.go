//go:build !linux

package command

// directFlag is 0 here: reads go through the page cache.
const directFlag = 0
