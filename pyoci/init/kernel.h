/*
 * The kernel's interface as far as the init uses it: numbers, flags and structures.
 *
 * Written down here because the headers of an older distribution lack the newer ones, and because
 * nothing of a C library is used. The numbers of system calls come from <asm/unistd.h>; those that
 * may be missing there are the same on every architecture (424 and up).
 */
#ifndef PYOCI_KERNEL_H
#define PYOCI_KERNEL_H

#include <asm/unistd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __NR_open_tree
#define __NR_open_tree 428
#define __NR_move_mount 429
#define __NR_fsopen 430
#define __NR_fsconfig 431
#define __NR_fsmount 432
#endif
#ifndef __NR_clone3
#define __NR_clone3 435
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif
#ifndef __NR_openat2
#define __NR_openat2 437
#endif
#ifndef __NR_faccessat2
#define __NR_faccessat2 439
#endif
#ifndef __NR_mount_setattr
#define __NR_mount_setattr 442
#endif

/* errno(3) */
#define EPERM 1
#define ENOENT 2
#define EINTR 4
#define EIO 5
#define ENOEXEC 8
#define EBADF 9
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EEXIST 17
#define EXDEV 18
#define ENODEV 19
#define ENOTDIR 20
#define EISDIR 21
#define EINVAL 22
#define ENOTTY 25
#define EROFS 30
#define EPIPE 32
#define ERANGE 34
#define ENAMETOOLONG 36
#define ENOSYS 38
#define ELOOP 40
#define ENODATA 61
#define EPROTO 71
#define EBADMSG 74
#define EOPNOTSUPP 95
#define ETIMEDOUT 110
#define ESTALE 116

/* open(2): the three that differ are named per architecture */
#define O_RDONLY 00
#define O_WRONLY 01
#define O_RDWR 02
#define O_CREAT 0100
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NONBLOCK 04000
#define O_CLOEXEC 02000000
#define O_PATH 010000000
#if defined(__aarch64__)
#define O_DIRECTORY 040000
#define O_NOFOLLOW 0100000
#else
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
#endif
#define PLAN_O_DIRECTORY 0200000 /* as plans write it, see operations.py */
#define PLAN_O_NOFOLLOW 0400000

#define AT_FDCWD (-100)
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_EACCESS 0x200
#define AT_EMPTY_PATH 0x1000
#define AT_RECURSIVE 0x8000
#define X_OK 1

#define F_DUPFD_CLOEXEC 1030
#define F_GETFD 1
#define F_SETFD 2
#define FD_CLOEXEC 1
#define CLOSE_RANGE_CLOEXEC 4

/* openat2(2) */
struct open_how {
    uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_XDEV 0x01
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS 0x04
#define RESOLVE_BENEATH 0x08
#define RESOLVE_IN_ROOT 0x10

/* statx(2) instead of stat(2), whose structure differs by architecture */
struct statx_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t pad;
};
struct statx {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad;
    uint64_t ino, size, blocks, attributes_mask;
    struct statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t mount_id, spare[13];
};
#define STATX_BASIC_STATS 0x7ff
#define STATX_MNT_ID 0x1000

#define S_IFMT 0170000
#define S_IFLNK 0120000
#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFIFO 0010000

/* statfs(2): the same on 64 bit architectures but for what follows the magic number */
struct statfs {
    int64_t type;
    int64_t rest[15];
};
#define PROC_SUPER_MAGIC 0x9fa0
#define DEVPTS_SUPER_MAGIC 0x1cd1
#define PROC_ROOT_INO 1

/* mounts */
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#define FSOPEN_CLOEXEC 1
#define FSMOUNT_CLOEXEC 1
#define FSCONFIG_SET_FLAG 0
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_CMD_CREATE 6
#define MNT_DETACH 2
#define UMOUNT_NOFOLLOW 8
#define MOUNT_ATTR_RDONLY 0x01
#define MOUNT_ATTR_NOSUID 0x02
#define MOUNT_ATTR_NODEV 0x04
#define MOUNT_ATTR_NOEXEC 0x08
#define MOUNT_ATTR__ATIME 0x70
#define MS_PRIVATE (1 << 18)
struct mount_attr {
    uint64_t set, clear, propagation, user_ns;
};

/* namespaces and processes */
#define CLONE_PIDFD 0x00001000
#define CLONE_PARENT 0x00008000
#define CLONE_NEWTIME 0x00000080
#define CLONE_NEWUSER 0x10000000
#define CLONE_INTO_CGROUP 0x200000000ULL
#define SIGKILL 9
#define SIGSTOP 19
#define SIGCHLD 17
#define NSIG 64
#define SIG_SETMASK 2
#define P_PIDFD 3
#define WEXITED 4
#define CLD_EXITED 1
struct clone_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};
struct siginfo {
    int32_t signo, error, code, pad;
    int32_t pid, uid, status;
    int32_t rest[25];
};
struct pollfd {
    int32_t fd;
    int16_t events, revents;
};
#define POLLIN 1
struct timespec {
    int64_t seconds, nanoseconds;
};
#define CLOCK_MONOTONIC 1
struct rlimit {
    uint64_t soft, hard;
};
#define IOPRIO_WHO_PROCESS 1

/* prctl(2) */
#define PR_SET_DUMPABLE 4
#define PR_SET_KEEPCAPS 8
#define PR_SET_NAME 15
#define PR_CAPBSET_READ 23
#define PR_CAPBSET_DROP 24
#define PR_SET_NO_NEW_PRIVS 38
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#define PR_CAP_AMBIENT_CLEAR_ALL 4

/* capset(2) */
#define CAPABILITY_VERSION_3 0x20080522
#define CAP_SYS_ADMIN 21
struct capability_header {
    uint32_t version;
    int32_t pid;
};
struct capability_data {
    uint32_t effective, permitted, inheritable;
};

/* keyctl(2) */
#define KEYCTL_JOIN_SESSION_KEYRING 1
#define KEYCTL_SETPERM 5
#define KEYCTL_DESCRIBE 6
#define KEY_USR_SEARCH 0x00080000

/* sockets */
#define AF_UNIX 1
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_CLOEXEC O_CLOEXEC
#define SOL_SOCKET 1
#define SCM_RIGHTS 1
#define MSG_NOSIGNAL 0x4000
struct socket_address {
    uint16_t family;
    char path[108];
};
struct iovec {
    const void *base;
    size_t length;
};
struct message_header {
    void *name;
    uint32_t name_length;
    struct iovec *iov;
    size_t iov_length;
    void *control;
    size_t control_length;
    uint32_t flags;
};
struct rights {
    size_t length;
    int32_t level, type;
    int32_t descriptor, pad;
};
#define SIOCGIFFLAGS 0x8913
#define SIOCSIFFLAGS 0x8914
#define IFF_UP 1
struct interface_request {
    char name[16];
    int16_t flags;
    char rest[22];
};

/* terminals */
#define TIOCSCTTY 0x540E
#define TIOCSWINSZ 0x5414
#define TIOCGPTN 0x80045430
#define TIOCSPTLCK 0x40045431
#define TIOCGPTPEER 0x5441
struct window_size {
    uint16_t rows, columns, x_pixels, y_pixels;
};

/* seccomp(2) and bpf(2) */
#define SECCOMP_SET_MODE_FILTER 1
#define SECCOMP_FILTER_FLAG_TSYNC 1
#define SECCOMP_FILTER_FLAG_NEW_LISTENER 8
struct filter_program {
    uint16_t length;
    const void *instructions;
};
#define BPF_PROG_LOAD 5
#define BPF_PROG_ATTACH 8
#define BPF_PROG_TYPE_CGROUP_DEVICE 15
#define BPF_CGROUP_DEVICE 6
#define BPF_F_ALLOW_MULTI 2
struct bpf_load {
    uint32_t type, instruction_count;
    uint64_t instructions, license;
    uint32_t log_level, log_size;
    uint64_t log;
    uint32_t kernel_version, flags;
    char name[16];
    uint32_t interface_index, expected_attach_type;
};
struct bpf_attach {
    uint32_t target, program, type, flags;
};

/* memory */
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 0x20
#define MFD_CLOEXEC 1
#define MFD_NOEXEC_SEAL 8

#define AT_NULL 0
#define AT_RANDOM 25

/* getdents64(2) */
struct directory_entry {
    uint64_t ino;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

#define PATH_MAX 4096
#define NAME_MAX 255

#endif
