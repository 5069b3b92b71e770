/*
 * liburing's helpers with addresses as numbers, for the Go files of the same
 * names. The helpers only store an address; none of them follows it. Those that
 * liburing 2.9 lacks do nothing there; the tests know which they are.
 */
#ifndef URING_ORACLE_H
#define URING_ORACLE_H

#include "shim.h"

static inline void *oracle_ptr(uint64_t addr)
{
	return (void *)(uintptr_t)addr;
}

#endif
