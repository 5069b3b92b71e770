//go:build !linux

package main

// directFlag is 0 here: reads go through the page cache.
const directFlag = 0
