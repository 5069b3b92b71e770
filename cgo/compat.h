/*
 * Constants of the kernel's interface that a liburing older than 2.15 may not
 * have. They are the kernel's, so their values never change. A macro over an
 * enumerator of the same value changes nothing, and a macro that is defined
 * already stays. The ends of lists, such as IORING_OP_LAST, become those of
 * 2.15.
 */
#ifndef URING_COMPAT_H
#define URING_COMPAT_H

/* Flags of no-op requests that no liburing has so far. */
#ifndef IORING_NOP_FILE
#define IORING_NOP_FILE (1U << 1)
#endif
#ifndef IORING_NOP_FIXED_FILE
#define IORING_NOP_FIXED_FILE (1U << 2)
#endif
#ifndef IORING_NOP_FIXED_BUFFER
#define IORING_NOP_FIXED_BUFFER (1U << 3)
#endif
#ifndef IORING_NOP_TW
#define IORING_NOP_TW (1U << 4)
#endif

#if IO_URING_CHECK_VERSION(2, 15)

#define IORING_OP_RECV_ZC 58
#define IORING_OP_EPOLL_WAIT 59
#define IORING_OP_READV_FIXED 60
#define IORING_OP_WRITEV_FIXED 61
#define IORING_OP_PIPE 62
#define IORING_OP_NOP128 63
#define IORING_OP_URING_CMD128 64
#define IORING_OP_LAST 65
#define IORING_REGISTER_SEND_MSG_RING 31
#define IORING_REGISTER_ZCRX_IFQ 32
#define IORING_REGISTER_QUERY 35
#define IORING_REGISTER_ZCRX_CTRL 36
#define IORING_REGISTER_BPF_FILTER 37
#define IORING_REGISTER_LAST 38
#define SOCKET_URING_OP_TX_TIMESTAMP 4
#define SOCKET_URING_OP_GETSOCKNAME 5
#define IORING_ZCRX_AREA_DMABUF 1
#define ZCRX_REG_IMPORT 1
#define ZCRX_REG_NODEV 2
#define ZCRX_FEATURE_RX_PAGE_SIZE 1
#define ZCRX_CTRL_FLUSH_RQ 0
#define ZCRX_CTRL_EXPORT 1
#define __ZCRX_CTRL_LAST 2
#define IO_URING_QUERY_OPCODES 0
#define IO_URING_QUERY_ZCRX 1
#define IO_URING_QUERY_SCQ 2
#define __IO_URING_QUERY_MAX 3
#define IO_URING_BPF_FILTER_DENY_REST 1
#define IO_URING_BPF_FILTER_SZ_STRICT 2
#define IO_URING_BPF_CMD_FILTER 1

#ifndef IORING_RW_ATTR_FLAG_PI
#define IORING_RW_ATTR_FLAG_PI (1U << 0)
#endif
#ifndef IORING_SETUP_CQE_MIXED
#define IORING_SETUP_CQE_MIXED (1U << 18)
#endif
#ifndef IORING_SETUP_SQE_MIXED
#define IORING_SETUP_SQE_MIXED (1U << 19)
#endif
#ifndef IORING_SETUP_SQ_REWIND
#define IORING_SETUP_SQ_REWIND (1U << 20)
#endif
#ifndef IORING_TIMEOUT_IMMEDIATE_ARG
#define IORING_TIMEOUT_IMMEDIATE_ARG (1U << 7)
#endif
#ifndef IORING_SEND_VECTORIZED
#define IORING_SEND_VECTORIZED (1U << 5)
#endif
#ifndef IORING_NOP_CQE32
#define IORING_NOP_CQE32 (1U << 5)
#endif
#ifndef IORING_CQE_F_SKIP
#define IORING_CQE_F_SKIP (1U << 5)
#endif
#ifndef IORING_CQE_F_32
#define IORING_CQE_F_32 (1U << 15)
#endif
#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1U << 7)
#endif
#ifndef IORING_FEAT_RW_ATTR
#define IORING_FEAT_RW_ATTR (1U << 16)
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1U << 17)
#endif
#ifndef IORING_TIMESTAMP_HW_SHIFT
#define IORING_TIMESTAMP_HW_SHIFT 16
#endif
#ifndef IORING_TIMESTAMP_TYPE_SHIFT
#define IORING_TIMESTAMP_TYPE_SHIFT 17
#endif
#ifndef IORING_CQE_F_TSTAMP_HW
#define IORING_CQE_F_TSTAMP_HW (1U << 16)
#endif
#ifndef IORING_ZCRX_AREA_SHIFT
#define IORING_ZCRX_AREA_SHIFT 48
#endif
#ifndef IORING_ZCRX_AREA_MASK
#define IORING_ZCRX_AREA_MASK 0xffff000000000000ULL
#endif

#endif

/*
 * What old headers of the kernel or the C library may lack, whichever
 * liburing there is.
 */
#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif
#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x40
#endif
#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80
#endif
#ifndef FUTEX2_SIZE_U32
#define FUTEX2_SIZE_U32 0x02
#endif
#ifndef FUTEX2_PRIVATE
#define FUTEX2_PRIVATE 128
#endif
#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000
#endif
#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000
#endif

#endif
