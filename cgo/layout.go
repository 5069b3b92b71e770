//go:build linux && cgo

package cgo

// #include "shim.h"
import "C"

import "unsafe"

// A layout that differs from C's makes one of these constants negative, which
// a uintptr cannot be: the package does not compile.
const (
	_ = -(unsafe.Offsetof(SQE{}.Opcode) ^ uintptr(C.offsetof_sqe_opcode))
	_ = -(unsafe.Offsetof(SQE{}.Flags) ^ uintptr(C.offsetof_sqe_flags))
	_ = -(unsafe.Offsetof(SQE{}.IOPrio) ^ uintptr(C.offsetof_sqe_ioprio))
	_ = -(unsafe.Offsetof(SQE{}.FD) ^ uintptr(C.offsetof_sqe_fd))
	_ = -(unsafe.Offsetof(SQE{}.Off) ^ uintptr(C.offsetof_sqe_off))
	_ = -(unsafe.Offsetof(SQE{}.Addr) ^ uintptr(C.offsetof_sqe_addr))
	_ = -(unsafe.Offsetof(SQE{}.Len) ^ uintptr(C.offsetof_sqe_len))
	_ = -(unsafe.Offsetof(SQE{}.OpFlags) ^ uintptr(C.offsetof_sqe_op_flags))
	_ = -(unsafe.Offsetof(SQE{}.UserData) ^ uintptr(C.offsetof_sqe_user_data))
	_ = -(unsafe.Offsetof(SQE{}.BufIndex) ^ uintptr(C.offsetof_sqe_buf_index))
	_ = -(unsafe.Offsetof(SQE{}.Personality) ^ uintptr(C.offsetof_sqe_personality))
	_ = -(unsafe.Offsetof(SQE{}.FileIndex) ^ uintptr(C.offsetof_sqe_file_index))
	_ = -(unsafe.Offsetof(SQE{}.Addr3) ^ uintptr(C.offsetof_sqe_addr3))
	_ = -(unsafe.Sizeof(SQE{}) ^ uintptr(C.sizeof_struct_io_uring_sqe))

	_ = -(unsafe.Offsetof(CQE{}.UserData) ^ uintptr(C.offsetof_cqe_user_data))
	_ = -(unsafe.Offsetof(CQE{}.Res) ^ uintptr(C.offsetof_cqe_res))
	_ = -(unsafe.Offsetof(CQE{}.Flags) ^ uintptr(C.offsetof_cqe_flags))
	_ = -(unsafe.Sizeof(CQE{}) ^ uintptr(C.sizeof_struct_io_uring_cqe))

	_ = -(unsafe.Offsetof(Slot{}.Len) ^ uintptr(C.offsetof_buf_len))
	_ = -(unsafe.Offsetof(Slot{}.BID) ^ uintptr(C.offsetof_buf_bid))
	_ = -(unsafe.Offsetof(Slot{}.tail) ^ uintptr(C.offsetof_buf_ring_tail))
	_ = -(unsafe.Sizeof(Slot{}) ^ uintptr(C.sizeof_struct_io_uring_buf))
	_ = -(unsafe.Sizeof(Iovec{}) ^ uintptr(C.sizeof_struct_iovec))
	_ = -(unsafe.Sizeof(IovecAddr{}) ^ uintptr(C.sizeof_struct_iovec))
	_ = -(unsafe.Sizeof(Msghdr{}) ^ uintptr(C.sizeof_struct_msghdr))
	_ = -(unsafe.Offsetof(Msghdr{}.Name) ^ uintptr(C.offsetof_msg_name))
	_ = -(unsafe.Offsetof(Msghdr{}.Iov) ^ uintptr(C.offsetof_msg_iov))
	_ = -(unsafe.Offsetof(Msghdr{}.Control) ^ uintptr(C.offsetof_msg_control))
	_ = -(unsafe.Offsetof(Msghdr{}.Flags) ^ uintptr(C.offsetof_msg_flags))

	_ = -(unsafe.Offsetof(Statx{}.Attributes) ^ uintptr(C.offsetof_stx_attributes))
	_ = -(unsafe.Offsetof(Statx{}.Mode) ^ uintptr(C.offsetof_stx_mode))
	_ = -(unsafe.Offsetof(Statx{}.Ino) ^ uintptr(C.offsetof_stx_ino))
	_ = -(unsafe.Offsetof(Statx{}.AttributesMask) ^ uintptr(C.offsetof_stx_attributes_mask))
	_ = -(unsafe.Offsetof(Statx{}.Atime) ^ uintptr(C.offsetof_stx_atime))
	_ = -(unsafe.Offsetof(Statx{}.Btime) ^ uintptr(C.offsetof_stx_btime))
	_ = -(unsafe.Offsetof(Statx{}.Ctime) ^ uintptr(C.offsetof_stx_ctime))
	_ = -(unsafe.Offsetof(Statx{}.Mtime) ^ uintptr(C.offsetof_stx_mtime))
	_ = -(unsafe.Offsetof(Statx{}.RdevMajor) ^ uintptr(C.offsetof_stx_rdev_major))
	_ = -(unsafe.Offsetof(Statx{}.DevMinor) ^ uintptr(C.offsetof_stx_dev_minor))
	_ = -(unsafe.Sizeof(Statx{}) ^ uintptr(C.sizeof_struct_statx))
	_ = -(unsafe.Offsetof(StatxTimestamp{}.Nsec) ^ uintptr(C.offsetof_stx_nsec))
	_ = -(unsafe.Sizeof(StatxTimestamp{}) ^ uintptr(C.sizeof_struct_statx_timestamp))

	_ = -(unsafe.Offsetof(EpollEvent{}.Fd) ^ uintptr(C.offsetof_epoll_data))
	_ = -(unsafe.Sizeof(EpollEvent{}) ^ uintptr(C.sizeof_struct_epoll_event))

	_ = -(unsafe.Offsetof(Siginfo{}.Errno) ^ uintptr(C.offsetof_si_errno))
	_ = -(unsafe.Offsetof(Siginfo{}.Code) ^ uintptr(C.offsetof_si_code))
	_ = -(unsafe.Offsetof(Siginfo{}.PID) ^ uintptr(C.offsetof_si_pid))
	_ = -(unsafe.Offsetof(Siginfo{}.UID) ^ uintptr(C.offsetof_si_uid))
	_ = -(unsafe.Offsetof(Siginfo{}.Status) ^ uintptr(C.offsetof_si_status))
	_ = -(unsafe.Sizeof(Siginfo{}) ^ uintptr(C.sizeof_siginfo_t))
)
