//go:build linux && cgo

package cgo

// #include "shim.h"
import "C"

// Every number comes from the C headers. const_stub.go holds the same list for
// builds without C; `go generate` writes it.

//go:generate go run ../internal/cmd/genconst

// sqe->attr_type_mask.
const (
	RWAttrFlagPI = C.IORING_RW_ATTR_FLAG_PI
)

// sqe->file_index.
const (
	FileIndexAlloc = C.IORING_FILE_INDEX_ALLOC
)

// Bit numbers in sqe->flags.
const (
	SQEFixedFileBit      = C.IOSQE_FIXED_FILE_BIT
	SQEIODrainBit        = C.IOSQE_IO_DRAIN_BIT
	SQEIOLinkBit         = C.IOSQE_IO_LINK_BIT
	SQEIOHardlinkBit     = C.IOSQE_IO_HARDLINK_BIT
	SQEAsyncBit          = C.IOSQE_ASYNC_BIT
	SQEBufferSelectBit   = C.IOSQE_BUFFER_SELECT_BIT
	SQECQESkipSuccessBit = C.IOSQE_CQE_SKIP_SUCCESS_BIT
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
	OpLast           = C.IORING_OP_LAST
)

// sqe->uring_cmd_flags.
const (
	UringCmdFixed = C.IORING_URING_CMD_FIXED
	UringCmdMask  = C.IORING_URING_CMD_MASK
)

// sqe->fsync_flags.
const (
	FsyncDatasync = C.IORING_FSYNC_DATASYNC
)

// sqe->timeout_flags.
const (
	TimeoutAbs          = C.IORING_TIMEOUT_ABS
	TimeoutUpdate       = C.IORING_TIMEOUT_UPDATE
	TimeoutBoottime     = C.IORING_TIMEOUT_BOOTTIME
	TimeoutRealtime     = C.IORING_TIMEOUT_REALTIME
	LinkTimeoutUpdate   = C.IORING_LINK_TIMEOUT_UPDATE
	TimeoutETimeSuccess = C.IORING_TIMEOUT_ETIME_SUCCESS
	TimeoutMultishot    = C.IORING_TIMEOUT_MULTISHOT
	TimeoutImmediateArg = C.IORING_TIMEOUT_IMMEDIATE_ARG
	TimeoutClockMask    = C.IORING_TIMEOUT_CLOCK_MASK
	TimeoutUpdateMask   = C.IORING_TIMEOUT_UPDATE_MASK
)

// sqe->splice_flags, beyond those of splice(2).
const (
	SpliceFDInFixed = C.SPLICE_F_FD_IN_FIXED
)

// sqe->len of IORING_OP_POLL_ADD.
const (
	PollAddMulti       = C.IORING_POLL_ADD_MULTI
	PollUpdateEvents   = C.IORING_POLL_UPDATE_EVENTS
	PollUpdateUserData = C.IORING_POLL_UPDATE_USER_DATA
	PollAddLevel       = C.IORING_POLL_ADD_LEVEL
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

// sqe->ioprio of the send and receive opcodes.
const (
	RecvSendPollFirst = C.IORING_RECVSEND_POLL_FIRST
	RecvMultishot     = C.IORING_RECV_MULTISHOT
	RecvSendFixedBuf  = C.IORING_RECVSEND_FIXED_BUF
	SendZCReportUsage = C.IORING_SEND_ZC_REPORT_USAGE
	RecvSendBundle    = C.IORING_RECVSEND_BUNDLE
	SendVectorized    = C.IORING_SEND_VECTORIZED
)

// cqe->res of a notification.
const (
	NotifUsageZCCopied = C.IORING_NOTIF_USAGE_ZC_COPIED
)

// sqe->ioprio of IORING_OP_ACCEPT.
const (
	AcceptMultishot = C.IORING_ACCEPT_MULTISHOT
	AcceptDontWait  = C.IORING_ACCEPT_DONTWAIT
	AcceptPollFirst = C.IORING_ACCEPT_POLL_FIRST
)

// sqe->addr of IORING_OP_MSG_RING.
const (
	MsgData   = C.IORING_MSG_DATA
	MsgSendFD = C.IORING_MSG_SEND_FD
)

// sqe->msg_ring_flags.
const (
	MsgRingCQESkip   = C.IORING_MSG_RING_CQE_SKIP
	MsgRingFlagsPass = C.IORING_MSG_RING_FLAGS_PASS
)

// sqe->install_fd_flags.
const (
	FixedFDNoCloexec = C.IORING_FIXED_FD_NO_CLOEXEC
)

// sqe->nop_flags.
const (
	NopInjectResult = C.IORING_NOP_INJECT_RESULT
	NopFile         = C.IORING_NOP_FILE
	NopFixedFile    = C.IORING_NOP_FIXED_FILE
	NopFixedBuffer  = C.IORING_NOP_FIXED_BUFFER
	NopTW           = C.IORING_NOP_TW
	NopCQE32        = C.IORING_NOP_CQE32
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
	CQEBufferShift   = C.IORING_CQE_BUFFER_SHIFT
)

// Offsets for mmap(2) of a ring.
const (
	OffSQRing    = C.IORING_OFF_SQ_RING
	OffCQRing    = C.IORING_OFF_CQ_RING
	OffSQEs      = C.IORING_OFF_SQES
	OffPbufRing  = C.IORING_OFF_PBUF_RING
	OffPbufShift = C.IORING_OFF_PBUF_SHIFT
	OffMMapMask  = C.IORING_OFF_MMAP_MASK
)

// Flags in the submission queue ring.
const (
	SQNeedWakeup = C.IORING_SQ_NEED_WAKEUP
	SQCQOverflow = C.IORING_SQ_CQ_OVERFLOW
	SQTaskrun    = C.IORING_SQ_TASKRUN
)

// Flags in the completion queue ring.
const (
	CQEventFDDisabled = C.IORING_CQ_EVENTFD_DISABLED
)

// io_uring_enter(2) flags.
const (
	EnterGetEvents      = C.IORING_ENTER_GETEVENTS
	EnterSQWakeup       = C.IORING_ENTER_SQ_WAKEUP
	EnterSQWait         = C.IORING_ENTER_SQ_WAIT
	EnterExtArg         = C.IORING_ENTER_EXT_ARG
	EnterRegisteredRing = C.IORING_ENTER_REGISTERED_RING
	EnterAbsTimer       = C.IORING_ENTER_ABS_TIMER
	EnterExtArgReg      = C.IORING_ENTER_EXT_ARG_REG
	EnterNoIowait       = C.IORING_ENTER_NO_IOWAIT
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

// io_uring_register(2) opcodes.
const (
	RegisterBuffers           = C.IORING_REGISTER_BUFFERS
	UnregisterBuffers         = C.IORING_UNREGISTER_BUFFERS
	RegisterFiles             = C.IORING_REGISTER_FILES
	UnregisterFiles           = C.IORING_UNREGISTER_FILES
	RegisterEventFD           = C.IORING_REGISTER_EVENTFD
	UnregisterEventFD         = C.IORING_UNREGISTER_EVENTFD
	RegisterFilesUpdate       = C.IORING_REGISTER_FILES_UPDATE
	RegisterEventFDAsync      = C.IORING_REGISTER_EVENTFD_ASYNC
	RegisterProbe             = C.IORING_REGISTER_PROBE
	RegisterPersonality       = C.IORING_REGISTER_PERSONALITY
	UnregisterPersonality     = C.IORING_UNREGISTER_PERSONALITY
	RegisterRestrictions      = C.IORING_REGISTER_RESTRICTIONS
	RegisterEnableRings       = C.IORING_REGISTER_ENABLE_RINGS
	RegisterFiles2            = C.IORING_REGISTER_FILES2
	RegisterFilesUpdate2      = C.IORING_REGISTER_FILES_UPDATE2
	RegisterBuffers2          = C.IORING_REGISTER_BUFFERS2
	RegisterBuffersUpdate     = C.IORING_REGISTER_BUFFERS_UPDATE
	RegisterIOWQAff           = C.IORING_REGISTER_IOWQ_AFF
	UnregisterIOWQAff         = C.IORING_UNREGISTER_IOWQ_AFF
	RegisterIOWQMaxWorkers    = C.IORING_REGISTER_IOWQ_MAX_WORKERS
	RegisterRingFDs           = C.IORING_REGISTER_RING_FDS
	UnregisterRingFDs         = C.IORING_UNREGISTER_RING_FDS
	RegisterPbufRing          = C.IORING_REGISTER_PBUF_RING
	UnregisterPbufRing        = C.IORING_UNREGISTER_PBUF_RING
	RegisterSyncCancel        = C.IORING_REGISTER_SYNC_CANCEL
	RegisterFileAllocRange    = C.IORING_REGISTER_FILE_ALLOC_RANGE
	RegisterPbufStatus        = C.IORING_REGISTER_PBUF_STATUS
	RegisterNAPI              = C.IORING_REGISTER_NAPI
	UnregisterNAPI            = C.IORING_UNREGISTER_NAPI
	RegisterClock             = C.IORING_REGISTER_CLOCK
	RegisterCloneBuffers      = C.IORING_REGISTER_CLONE_BUFFERS
	RegisterSendMsgRing       = C.IORING_REGISTER_SEND_MSG_RING
	RegisterZCRXIFQ           = C.IORING_REGISTER_ZCRX_IFQ
	RegisterResizeRings       = C.IORING_REGISTER_RESIZE_RINGS
	RegisterMemRegion         = C.IORING_REGISTER_MEM_REGION
	RegisterQuery             = C.IORING_REGISTER_QUERY
	RegisterZCRXCtrl          = C.IORING_REGISTER_ZCRX_CTRL
	RegisterBPFFilter         = C.IORING_REGISTER_BPF_FILTER
	RegisterLast              = C.IORING_REGISTER_LAST
	RegisterUseRegisteredRing = C.IORING_REGISTER_USE_REGISTERED_RING
)

// Kinds of io-wq workers.
const (
	IOWQBound   = C.IO_WQ_BOUND
	IOWQUnbound = C.IO_WQ_UNBOUND
)

// io_uring_region_desc->flags.
const (
	MemRegionTypeUser = C.IORING_MEM_REGION_TYPE_USER
)

// io_uring_mem_region_reg->flags.
const (
	MemRegionRegWaitArg = C.IORING_MEM_REGION_REG_WAIT_ARG
)

// io_uring_rsrc_register->flags.
const (
	RsrcRegisterSparse = C.IORING_RSRC_REGISTER_SPARSE
)

// A descriptor in a table of files that stays as it is.
const (
	RegisterFilesSkip = C.IORING_REGISTER_FILES_SKIP
)

// io_uring_probe_op->flags.
const (
	ProbeOpSupported = C.IO_URING_OP_SUPPORTED
)

// io_uring_clone_buffers->flags.
const (
	RegisterSrcRegistered = C.IORING_REGISTER_SRC_REGISTERED
	RegisterDstReplace    = C.IORING_REGISTER_DST_REPLACE
)

// io_uring_buf_reg->flags.
const (
	PbufRingMMap = C.IOU_PBUF_RING_MMAP
	PbufRingInc  = C.IOU_PBUF_RING_INC
)

// io_uring_restriction->opcode.
const (
	RestrictionRegisterOp       = C.IORING_RESTRICTION_REGISTER_OP
	RestrictionSQEOp            = C.IORING_RESTRICTION_SQE_OP
	RestrictionSQEFlagsAllowed  = C.IORING_RESTRICTION_SQE_FLAGS_ALLOWED
	RestrictionSQEFlagsRequired = C.IORING_RESTRICTION_SQE_FLAGS_REQUIRED
	RestrictionLast             = C.IORING_RESTRICTION_LAST
)

// io_uring_reg_wait->flags.
const (
	RegWaitTS = C.IORING_REG_WAIT_TS
)

// sqe->cmd_op of commands for sockets.
const (
	SocketOpSIOCINQ     = C.SOCKET_URING_OP_SIOCINQ
	SocketOpSIOCOUTQ    = C.SOCKET_URING_OP_SIOCOUTQ
	SocketOpGetsockopt  = C.SOCKET_URING_OP_GETSOCKOPT
	SocketOpSetsockopt  = C.SOCKET_URING_OP_SETSOCKOPT
	SocketOpTXTimestamp = C.SOCKET_URING_OP_TX_TIMESTAMP
	SocketOpGetsockname = C.SOCKET_URING_OP_GETSOCKNAME
)

// cqe->flags of send timestamps.
const (
	TimestampHWShift   = C.IORING_TIMESTAMP_HW_SHIFT
	TimestampTypeShift = C.IORING_TIMESTAMP_TYPE_SHIFT
	CQEFTstampHW       = C.IORING_CQE_F_TSTAMP_HW
)

// Where in its area a zero-copy receive put the data.
const (
	ZCRXAreaShift = C.IORING_ZCRX_AREA_SHIFT
	ZCRXAreaMask  = C.IORING_ZCRX_AREA_MASK
)

// io_uring_zcrx_area_reg->flags.
const (
	ZCRXAreaDMABuf = C.IORING_ZCRX_AREA_DMABUF
)

// io_uring_zcrx_ifq_reg->flags.
const (
	ZCRXRegImport = C.ZCRX_REG_IMPORT
	ZCRXRegNoDev  = C.ZCRX_REG_NODEV
)

// io_uring_query_zcrx->features.
const (
	ZCRXFeatureRXPageSize = C.ZCRX_FEATURE_RX_PAGE_SIZE
)

// zcrx_ctrl->op.
const (
	ZCRXCtrlFlushRQ = C.ZCRX_CTRL_FLUSH_RQ
	ZCRXCtrlExport  = C.ZCRX_CTRL_EXPORT
	ZCRXCtrlLast    = C.__ZCRX_CTRL_LAST
)

// io_uring_query_hdr->query_op.
const (
	QueryOpcodes = C.IO_URING_QUERY_OPCODES
	QueryZCRX    = C.IO_URING_QUERY_ZCRX
	QuerySCQ     = C.IO_URING_QUERY_SCQ
	QueryMax     = C.__IO_URING_QUERY_MAX
)

// io_uring_bpf_filter->flags.
const (
	BPFFilterDenyRest = C.IO_URING_BPF_FILTER_DENY_REST
	BPFFilterSzStrict = C.IO_URING_BPF_FILTER_SZ_STRICT
)

// io_uring_bpf->cmd_type.
const (
	BPFCmdFilter = C.IO_URING_BPF_CMD_FILTER
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
	EBadR         = C.EBADR
	EBadFD        = C.EBADFD
	ETime         = C.ETIME
)

// Events of poll(2).
const (
	PollIn    = C.POLLIN
	PollPri   = C.POLLPRI
	PollOut   = C.POLLOUT
	PollErr   = C.POLLERR
	PollHup   = C.POLLHUP
	PollRdHup = C.POLLRDHUP
)

// What [ReadKind] returns.
const (
	ReadsStream     = C.URING_READS_STREAM
	ReadsMessages   = C.URING_READS_MESSAGES
	ReadsUnpollable = C.URING_READS_UNPOLLABLE
)

// Clocks of clock_gettime(2).
const (
	ClockMonotonic = C.CLOCK_MONOTONIC
	ClockBoottime  = C.CLOCK_BOOTTIME
)

// Flags and other arguments that io_uring takes from system calls.
const (
	RWFHipri          = C.RWF_HIPRI
	RWFDsync          = C.RWF_DSYNC
	RWFSync           = C.RWF_SYNC
	RWFNowait         = C.RWF_NOWAIT
	RWFAppend         = C.RWF_APPEND
	RWFNoAppend       = C.RWF_NOAPPEND
	RWFAtomic         = C.RWF_ATOMIC
	RWFDontcache      = C.RWF_DONTCACHE
	SpliceMove        = C.SPLICE_F_MOVE
	SpliceNonblock    = C.SPLICE_F_NONBLOCK
	SpliceMore        = C.SPLICE_F_MORE
	AtFDCWD           = C.AT_FDCWD
	AtEmptyPath       = C.AT_EMPTY_PATH
	AtSymlinkNofollow = C.AT_SYMLINK_NOFOLLOW
	AtSymlinkFollow   = C.AT_SYMLINK_FOLLOW
	AtRemovedir       = C.AT_REMOVEDIR
	StatxBasicStats   = C.STATX_BASIC_STATS
	StatxBtime        = C.STATX_BTIME
	StatxMntID        = C.STATX_MNT_ID
	StatxDIOAlign     = C.STATX_DIOALIGN
	BlockCmdDiscard   = C.BLOCK_URING_CMD_DISCARD
	Futex2SizeU32     = C.FUTEX2_SIZE_U32
	Futex2Private     = C.FUTEX2_PRIVATE
	PAll              = C.P_ALL
	PPID              = C.P_PID
	PPGID             = C.P_PGID
	PPIDFD            = C.P_PIDFD
)
