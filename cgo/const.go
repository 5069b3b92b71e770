//go:build linux && cgo

package cgo

// #include "shim.h"
import "C"

// Every number comes from the C headers. const_stub.go holds the same list for
// builds without C; `go generate` writes it.

//go:generate go run ../internal/genconst

// Opcodes: sqe->opcode.
const (
	OpNop            = C.IORING_OP_NOP
	OpReadv          = C.IORING_OP_READV
	OpWritev         = C.IORING_OP_WRITEV
	OpFsync          = C.IORING_OP_FSYNC
	OpReadFixed      = C.IORING_OP_READ_FIXED
	OpWriteFixed     = C.IORING_OP_WRITE_FIXED
	OpPollAdd        = C.IORING_OP_POLL_ADD
	OpPollRemove     = C.IORING_OP_POLL_REMOVE
	OpSyncFileRange  = C.IORING_OP_SYNC_FILE_RANGE
	OpSendMsg        = C.IORING_OP_SENDMSG
	OpRecvMsg        = C.IORING_OP_RECVMSG
	OpTimeout        = C.IORING_OP_TIMEOUT
	OpTimeoutRemove  = C.IORING_OP_TIMEOUT_REMOVE
	OpAccept         = C.IORING_OP_ACCEPT
	OpAsyncCancel    = C.IORING_OP_ASYNC_CANCEL
	OpLinkTimeout    = C.IORING_OP_LINK_TIMEOUT
	OpConnect        = C.IORING_OP_CONNECT
	OpFallocate      = C.IORING_OP_FALLOCATE
	OpOpenat         = C.IORING_OP_OPENAT
	OpClose          = C.IORING_OP_CLOSE
	OpFilesUpdate    = C.IORING_OP_FILES_UPDATE
	OpStatx          = C.IORING_OP_STATX
	OpRead           = C.IORING_OP_READ
	OpWrite          = C.IORING_OP_WRITE
	OpFadvise        = C.IORING_OP_FADVISE
	OpMadvise        = C.IORING_OP_MADVISE
	OpSend           = C.IORING_OP_SEND
	OpRecv           = C.IORING_OP_RECV
	OpOpenat2        = C.IORING_OP_OPENAT2
	OpEpollCtl       = C.IORING_OP_EPOLL_CTL
	OpSplice         = C.IORING_OP_SPLICE
	OpProvideBuffers = C.IORING_OP_PROVIDE_BUFFERS
	OpRemoveBuffers  = C.IORING_OP_REMOVE_BUFFERS
	OpTee            = C.IORING_OP_TEE
	OpShutdown       = C.IORING_OP_SHUTDOWN
	OpRenameat       = C.IORING_OP_RENAMEAT
	OpUnlinkat       = C.IORING_OP_UNLINKAT
	OpMkdirat        = C.IORING_OP_MKDIRAT
	OpSymlinkat      = C.IORING_OP_SYMLINKAT
	OpLinkat         = C.IORING_OP_LINKAT
	OpMsgRing        = C.IORING_OP_MSG_RING
	OpFsetxattr      = C.IORING_OP_FSETXATTR
	OpSetxattr       = C.IORING_OP_SETXATTR
	OpFgetxattr      = C.IORING_OP_FGETXATTR
	OpGetxattr       = C.IORING_OP_GETXATTR
	OpSocket         = C.IORING_OP_SOCKET
	OpUringCmd       = C.IORING_OP_URING_CMD
	OpSendZC         = C.IORING_OP_SEND_ZC
	OpSendMsgZC      = C.IORING_OP_SENDMSG_ZC
	OpReadMultishot  = C.IORING_OP_READ_MULTISHOT
	OpWaitid         = C.IORING_OP_WAITID
	OpFutexWait      = C.IORING_OP_FUTEX_WAIT
	OpFutexWake      = C.IORING_OP_FUTEX_WAKE
	OpFutexWaitv     = C.IORING_OP_FUTEX_WAITV
	OpFixedFDInstall = C.IORING_OP_FIXED_FD_INSTALL
	OpFtruncate      = C.IORING_OP_FTRUNCATE
	OpBind           = C.IORING_OP_BIND
	OpListen         = C.IORING_OP_LISTEN
	OpRecvZC         = C.IORING_OP_RECV_ZC
	OpEpollWait      = C.IORING_OP_EPOLL_WAIT
	OpReadvFixed     = C.IORING_OP_READV_FIXED
	OpWritevFixed    = C.IORING_OP_WRITEV_FIXED
	OpPipe           = C.IORING_OP_PIPE
	OpNop128         = C.IORING_OP_NOP128
	OpUringCmd128    = C.IORING_OP_URING_CMD128
)

// io_uring_setup(2) flags.
const (
	SetupIOPoll           = C.IORING_SETUP_IOPOLL
	SetupSQPoll           = C.IORING_SETUP_SQPOLL
	SetupSQAff            = C.IORING_SETUP_SQ_AFF
	SetupCQSize           = C.IORING_SETUP_CQSIZE
	SetupClamp            = C.IORING_SETUP_CLAMP
	SetupAttachWQ         = C.IORING_SETUP_ATTACH_WQ
	SetupRDisabled        = C.IORING_SETUP_R_DISABLED
	SetupSubmitAll        = C.IORING_SETUP_SUBMIT_ALL
	SetupCoopTaskrun      = C.IORING_SETUP_COOP_TASKRUN
	SetupTaskrunFlag      = C.IORING_SETUP_TASKRUN_FLAG
	SetupSQE128           = C.IORING_SETUP_SQE128
	SetupCQE32            = C.IORING_SETUP_CQE32
	SetupSingleIssuer     = C.IORING_SETUP_SINGLE_ISSUER
	SetupDeferTaskrun     = C.IORING_SETUP_DEFER_TASKRUN
	SetupNoMMap           = C.IORING_SETUP_NO_MMAP
	SetupRegisteredFDOnly = C.IORING_SETUP_REGISTERED_FD_ONLY
	SetupNoSQArray        = C.IORING_SETUP_NO_SQARRAY
	SetupHybridIOPoll     = C.IORING_SETUP_HYBRID_IOPOLL
	SetupCQEMixed         = C.IORING_SETUP_CQE_MIXED
	SetupSQEMixed         = C.IORING_SETUP_SQE_MIXED
	SetupSQRewind         = C.IORING_SETUP_SQ_REWIND
)

// sqe->flags.
const (
	SQEFixedFile      = C.IOSQE_FIXED_FILE
	SQEIODrain        = C.IOSQE_IO_DRAIN
	SQEIOLink         = C.IOSQE_IO_LINK
	SQEIOHardlink     = C.IOSQE_IO_HARDLINK
	SQEAsync          = C.IOSQE_ASYNC
	SQEBufferSelect   = C.IOSQE_BUFFER_SELECT
	SQECQESkipSuccess = C.IOSQE_CQE_SKIP_SUCCESS
)

// cqe->flags.
const (
	CQEFBuffer       = C.IORING_CQE_F_BUFFER
	CQEFMore         = C.IORING_CQE_F_MORE
	CQEFSockNonEmpty = C.IORING_CQE_F_SOCK_NONEMPTY
	CQEFNotif        = C.IORING_CQE_F_NOTIF
	CQEFBufMore      = C.IORING_CQE_F_BUF_MORE
	CQEFSkip         = C.IORING_CQE_F_SKIP
	CQEF32           = C.IORING_CQE_F_32
)

// io_uring_params->features.
const (
	FeatSingleMMap     = C.IORING_FEAT_SINGLE_MMAP
	FeatNodrop         = C.IORING_FEAT_NODROP
	FeatSubmitStable   = C.IORING_FEAT_SUBMIT_STABLE
	FeatRWCurPos       = C.IORING_FEAT_RW_CUR_POS
	FeatCurPersonality = C.IORING_FEAT_CUR_PERSONALITY
	FeatFastPoll       = C.IORING_FEAT_FAST_POLL
	FeatPoll32bits     = C.IORING_FEAT_POLL_32BITS
	FeatSQPollNonfixed = C.IORING_FEAT_SQPOLL_NONFIXED
	FeatExtArg         = C.IORING_FEAT_EXT_ARG
	FeatNativeWorkers  = C.IORING_FEAT_NATIVE_WORKERS
	FeatRsrcTags       = C.IORING_FEAT_RSRC_TAGS
	FeatCQESkip        = C.IORING_FEAT_CQE_SKIP
	FeatLinkedFile     = C.IORING_FEAT_LINKED_FILE
	FeatRegRegRing     = C.IORING_FEAT_REG_REG_RING
	FeatRecvSendBundle = C.IORING_FEAT_RECVSEND_BUNDLE
	FeatMinTimeout     = C.IORING_FEAT_MIN_TIMEOUT
	FeatRWAttr         = C.IORING_FEAT_RW_ATTR
	FeatNoIowait       = C.IORING_FEAT_NO_IOWAIT
)

// Flags in the submission queue ring.
const (
	SQNeedWakeup = C.IORING_SQ_NEED_WAKEUP
	SQCQOverflow = C.IORING_SQ_CQ_OVERFLOW
	SQTaskrun    = C.IORING_SQ_TASKRUN
)

// sqe->timeout_flags.
const (
	TimeoutAbs          = C.IORING_TIMEOUT_ABS
	TimeoutUpdate       = C.IORING_TIMEOUT_UPDATE
	TimeoutBoottime     = C.IORING_TIMEOUT_BOOTTIME
	TimeoutRealtime     = C.IORING_TIMEOUT_REALTIME
	TimeoutETimeSuccess = C.IORING_TIMEOUT_ETIME_SUCCESS
	TimeoutMultishot    = C.IORING_TIMEOUT_MULTISHOT
)

// sqe->len of IORING_OP_POLL_ADD.
const (
	PollAddMulti = C.IORING_POLL_ADD_MULTI
	PollAddLevel = C.IORING_POLL_ADD_LEVEL
)

// sqe->cancel_flags.
const (
	AsyncCancelAll      = C.IORING_ASYNC_CANCEL_ALL
	AsyncCancelFD       = C.IORING_ASYNC_CANCEL_FD
	AsyncCancelAny      = C.IORING_ASYNC_CANCEL_ANY
	AsyncCancelFDFixed  = C.IORING_ASYNC_CANCEL_FD_FIXED
	AsyncCancelUserData = C.IORING_ASYNC_CANCEL_USERDATA
	AsyncCancelOp       = C.IORING_ASYNC_CANCEL_OP
)

// sqe->ioprio of IORING_OP_ACCEPT.
const (
	AcceptMultishot = C.IORING_ACCEPT_MULTISHOT
	AcceptDontWait  = C.IORING_ACCEPT_DONTWAIT
	AcceptPollFirst = C.IORING_ACCEPT_POLL_FIRST
)

// sqe->msg_ring_flags.
const (
	MsgRingCQESkip   = C.IORING_MSG_RING_CQE_SKIP
	MsgRingFlagsPass = C.IORING_MSG_RING_FLAGS_PASS
)

// sqe->ioprio of the send and receive opcodes.
const (
	RecvSendPollFirst = C.IORING_RECVSEND_POLL_FIRST
	RecvMultishot     = C.IORING_RECV_MULTISHOT
	RecvSendFixedBuf  = C.IORING_RECVSEND_FIXED_BUF
	SendZCReportUsage = C.IORING_SEND_ZC_REPORT_USAGE
	RecvSendBundle    = C.IORING_RECVSEND_BUNDLE
	SendVectorized    = C.IORING_SEND_VECTORIZED
)

// What else the kernel's header defines.
const (
	CQEBufferShift     = C.IORING_CQE_BUFFER_SHIFT
	NotifUsageZCCopied = C.IORING_NOTIF_USAGE_ZC_COPIED
	FileIndexAlloc     = C.IORING_FILE_INDEX_ALLOC
	MsgData            = C.IORING_MSG_DATA
	MsgSendFD          = C.IORING_MSG_SEND_FD
	SocketOpSetsockopt = C.SOCKET_URING_OP_SETSOCKOPT
	PbufRingMMap       = C.IOU_PBUF_RING_MMAP
	PbufRingInc        = C.IOU_PBUF_RING_INC
	OffPbufRing        = C.IORING_OFF_PBUF_RING
	OffPbufShift       = C.IORING_OFF_PBUF_SHIFT
	RegisterPbufRing   = C.IORING_REGISTER_PBUF_RING
)

// Constants of the C library that the package uses.
const (
	MsgWaitAll    = C.MSG_WAITALL
	MsgPeek       = C.MSG_PEEK
	MsgTrunc      = C.MSG_TRUNC
	MsgDontWait   = C.MSG_DONTWAIT
	MsgNoSignal   = C.MSG_NOSIGNAL
	MsgMore       = C.MSG_MORE
	SockStream    = C.SOCK_STREAM
	SockDgram     = C.SOCK_DGRAM
	SockSeqpacket = C.SOCK_SEQPACKET
	SockCloexec   = C.SOCK_CLOEXEC
	AFUnix        = C.AF_UNIX
	AFInet        = C.AF_INET
	AFInet6       = C.AF_INET6
	SIFReg        = C.S_IFREG
	SIFBlk        = C.S_IFBLK
	EBadR         = C.EBADR
	EBadFD        = C.EBADFD
)
