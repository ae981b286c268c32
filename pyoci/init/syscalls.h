/*
 * System calls, named as the kernel names them. Each gives what the kernel gives: 0 or more, or a
 * negative error number. There is no errno.
 */
#ifndef PYOCI_SYSCALLS_H
#define PYOCI_SYSCALLS_H

#include "kernel.h"

static inline long system_call(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
#else
#error "the init knows the system calls of x86-64 and arm64 only"
#endif
}

#define CALL0(name) system_call(__NR_##name, 0, 0, 0, 0, 0, 0)
#define CALL1(name, a) system_call(__NR_##name, (long)(a), 0, 0, 0, 0, 0)
#define CALL2(name, a, b) system_call(__NR_##name, (long)(a), (long)(b), 0, 0, 0, 0)
#define CALL3(name, a, b, c) system_call(__NR_##name, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define CALL4(name, a, b, c, d) \
    system_call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define CALL5(name, a, b, c, d, e) \
    system_call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define CALL6(name, a, b, c, d, e, f) \
    system_call(__NR_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* -- files --------------------------------------------------------------------------------------- */

static inline int sys_openat(int directory, const char *path, int flags, int mode)
{
    return (int)CALL4(openat, directory, path, flags, mode);
}

static inline int sys_openat2(int directory, const char *path, const struct open_how *how)
{
    return (int)CALL4(openat2, directory, path, how, sizeof *how);
}

static inline int sys_close(int fd)
{
    return (int)CALL1(close, fd);
}

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
    return (int)CALL3(close_range, first, last, flags);
}

static inline long sys_read(int fd, void *buffer, size_t size)
{
    return CALL3(read, fd, buffer, size);
}

static inline long sys_write(int fd, const void *bytes, size_t size)
{
    return CALL3(write, fd, bytes, size);
}

static inline long sys_lseek(int fd, long offset, int whence)
{
    return CALL3(lseek, fd, offset, whence);
}

static inline int sys_fcntl(int fd, int command, long argument)
{
    return (int)CALL3(fcntl, fd, command, argument);
}

static inline int sys_ioctl(int fd, unsigned long request, const void *argument)
{
    return (int)CALL3(ioctl, fd, request, argument);
}

static inline int sys_dup3(int from, int to, int flags)
{
    return (int)CALL3(dup3, from, to, flags);
}

static inline int sys_pipe2(int ends[2], int flags)
{
    return (int)CALL2(pipe2, ends, flags);
}

static inline int sys_statx(int directory, const char *path, int flags, unsigned mask, struct statx *buffer)
{
    return (int)CALL5(statx, directory, path, flags, mask, buffer);
}

static inline int sys_fstatfs(int fd, struct statfs *buffer)
{
    return (int)CALL2(fstatfs, fd, buffer);
}

static inline int sys_faccessat(int directory, const char *path, int mode)
{
    return (int)CALL3(faccessat, directory, path, mode);
}

static inline int sys_faccessat2(int directory, const char *path, int mode, int flags)
{
    return (int)CALL4(faccessat2, directory, path, mode, flags);
}

static inline int sys_mkdirat(int directory, const char *path, unsigned mode)
{
    return (int)CALL3(mkdirat, directory, path, mode);
}

static inline int sys_mknodat(int directory, const char *path, unsigned mode, unsigned device)
{
    return (int)CALL4(mknodat, directory, path, mode, device);
}

static inline int sys_symlinkat(const char *target, int directory, const char *path)
{
    return (int)CALL3(symlinkat, target, directory, path);
}

static inline long sys_readlinkat(int directory, const char *path, char *buffer, size_t size)
{
    return CALL4(readlinkat, directory, path, buffer, size);
}

static inline int sys_unlinkat(int directory, const char *path, int flags)
{
    return (int)CALL3(unlinkat, directory, path, flags);
}

static inline int sys_fchownat(int directory, const char *path, unsigned uid, unsigned gid, int flags)
{
    return (int)CALL5(fchownat, directory, path, uid, gid, flags);
}

static inline int sys_fchmod(int fd, unsigned mode)
{
    return (int)CALL2(fchmod, fd, mode);
}

static inline int sys_utimensat(int directory, const char *path, const struct timespec times[2], int flags)
{
    return (int)CALL4(utimensat, directory, path, times, flags);
}

static inline long sys_getdents64(int fd, void *buffer, size_t size)
{
    return CALL3(getdents64, fd, buffer, size);
}

static inline long sys_flistxattr(int fd, char *list, size_t size)
{
    return CALL3(flistxattr, fd, list, size);
}

static inline long sys_fgetxattr(int fd, const char *name, void *value, size_t size)
{
    return CALL4(fgetxattr, fd, name, value, size);
}

static inline int sys_fsetxattr(int fd, const char *name, const void *value, size_t size)
{
    return (int)CALL5(fsetxattr, fd, name, value, size, 0);
}

static inline long sys_sendfile(int to, int from, size_t size)
{
    return CALL4(sendfile, to, from, 0, size);
}

static inline int sys_memfd_create(const char *name, unsigned flags)
{
    return (int)CALL2(memfd_create, name, flags);
}

static inline unsigned sys_umask(unsigned mask)
{
    return (unsigned)CALL1(umask, mask);
}

static inline int sys_chdir(const char *path)
{
    return (int)CALL1(chdir, path);
}

static inline int sys_fchdir(int fd)
{
    return (int)CALL1(fchdir, fd);
}

static inline long sys_getcwd(char *buffer, size_t size)
{
    return CALL2(getcwd, buffer, size);
}

static inline int sys_chroot(const char *path)
{
    return (int)CALL1(chroot, path);
}

/* -- mounts -------------------------------------------------------------------------------------- */

static inline int sys_open_tree(int directory, const char *path, unsigned flags)
{
    return (int)CALL3(open_tree, directory, path, flags);
}

static inline int sys_move_mount(int from, int to)
{
    return (int)CALL5(move_mount, from, "", to, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static inline int sys_fsopen(const char *type, unsigned flags)
{
    return (int)CALL2(fsopen, type, flags);
}

static inline int sys_fsconfig(int fd, unsigned command, const char *key, const char *value)
{
    return (int)CALL5(fsconfig, fd, command, key, value, 0);
}

static inline int sys_fsmount(int fd, unsigned flags, unsigned attributes)
{
    return (int)CALL3(fsmount, fd, flags, attributes);
}

static inline int sys_mount_setattr(int fd, const char *path, unsigned flags, const struct mount_attr *attr)
{
    return (int)CALL5(mount_setattr, fd, path, flags, attr, sizeof *attr);
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
    return (int)CALL2(pivot_root, new_root, put_old);
}

static inline int sys_umount2(const char *path, int flags)
{
    return (int)CALL2(umount2, path, flags);
}

/* -- namespaces and processes -------------------------------------------------------------------- */

static inline int sys_setns(int fd, int types)
{
    return (int)CALL2(setns, fd, types);
}

static inline int sys_unshare(unsigned long types)
{
    return (int)CALL1(unshare, types);
}

static inline int sys_clone3(const struct clone_args *arguments)
{
    return (int)CALL2(clone3, arguments, sizeof *arguments);
}

/* The order of clone(2)'s arguments differs by architecture; without a stack and TLS only the first
 * three matter, and those do not. */
static inline int sys_clone(unsigned long flags, int *pidfd)
{
    return (int)CALL5(clone, flags, 0, pidfd, 0, 0);
}

static inline int sys_execve(const char *path, char *const *arguments, char *const *environment)
{
    return (int)CALL3(execve, path, arguments, environment);
}

__attribute__((noreturn)) static inline void sys_exit(int status)
{
    for (;;)
        CALL1(exit_group, status);
}

static inline int sys_getpid(void)
{
    return (int)CALL0(getpid);
}

static inline int sys_setsid(void)
{
    return (int)CALL0(setsid);
}

static inline int sys_waitid(int type, int id, struct siginfo *info, int options)
{
    return (int)CALL5(waitid, type, id, info, options, 0);
}

static inline int sys_pidfd_send_signal(int pidfd, int number)
{
    return (int)CALL4(pidfd_send_signal, pidfd, number, 0, 0);
}

static inline int sys_ppoll(struct pollfd *descriptors, unsigned count, const struct timespec *timeout)
{
    return (int)CALL5(ppoll, descriptors, count, timeout, 0, 0);
}

static inline int sys_clock_gettime(int clock, struct timespec *time)
{
    return (int)CALL2(clock_gettime, clock, time);
}

static inline int sys_rt_sigaction(int number, const struct kernel_sigaction *action)
{
    return (int)CALL4(rt_sigaction, number, action, 0, sizeof(uint64_t));
}

static inline int sys_rt_sigprocmask(int how, const uint64_t *mask)
{
    return (int)CALL4(rt_sigprocmask, how, mask, 0, sizeof *mask);
}

static inline int sys_prctl(int option, unsigned long b, unsigned long c)
{
    return (int)CALL5(prctl, option, b, c, 0, 0);
}

static inline int sys_personality(unsigned long domain)
{
    return (int)CALL1(personality, domain);
}

static inline int sys_prlimit64(int resource, const struct rlimit *limit)
{
    return (int)CALL4(prlimit64, 0, resource, limit, 0);
}

static inline int sys_sched_setattr(const void *attributes)
{
    return (int)CALL3(sched_setattr, 0, attributes, 0);
}

static inline int sys_sched_setaffinity(size_t size, const void *cpus)
{
    return (int)CALL3(sched_setaffinity, 0, size, cpus);
}

static inline int sys_ioprio_set(int value)
{
    return (int)CALL3(ioprio_set, IOPRIO_WHO_PROCESS, 0, value);
}

static inline int sys_set_mempolicy(int mode, const void *nodes, unsigned long largest)
{
    return (int)CALL3(set_mempolicy, mode, nodes, largest);
}

/* -- credentials --------------------------------------------------------------------------------- */

static inline int sys_setgroups(size_t count, const void *groups)
{
    return (int)CALL2(setgroups, count, groups);
}

static inline int sys_setresuid(unsigned real, unsigned effective, unsigned saved)
{
    return (int)CALL3(setresuid, real, effective, saved);
}

static inline int sys_setresgid(unsigned real, unsigned effective, unsigned saved)
{
    return (int)CALL3(setresgid, real, effective, saved);
}

static inline int sys_capget(struct capability_header *header, struct capability_data data[2])
{
    return (int)CALL2(capget, header, data);
}

static inline int sys_capset(struct capability_header *header, const struct capability_data data[2])
{
    return (int)CALL2(capset, header, data);
}

static inline long sys_keyctl(int command, unsigned long b, unsigned long c, unsigned long d)
{
    return CALL4(keyctl, command, b, c, d);
}

/* -- sockets, names, filters, memory ------------------------------------------------------------- */

static inline int sys_socket(int family, int type)
{
    return (int)CALL3(socket, family, type, 0);
}

static inline int sys_connect(int fd, const void *address, size_t size)
{
    return (int)CALL3(connect, fd, address, size);
}

static inline long sys_sendmsg(int fd, const struct message_header *message, int flags)
{
    return CALL3(sendmsg, fd, message, flags);
}

static inline int sys_sethostname(const char *name, size_t length)
{
    return (int)CALL2(sethostname, name, length);
}

static inline int sys_setdomainname(const char *name, size_t length)
{
    return (int)CALL2(setdomainname, name, length);
}

static inline int sys_seccomp(unsigned operation, unsigned long flags, const void *arguments)
{
    return (int)CALL3(seccomp, operation, flags, arguments);
}

static inline int sys_bpf(int command, const void *attributes, size_t size)
{
    return (int)CALL3(bpf, command, attributes, size);
}

static inline void *sys_mmap(size_t size, int protection, int flags, int fd)
{
    return (void *)CALL6(mmap, 0, size, protection, flags, fd, 0);
}

static inline int sys_munmap(void *address, size_t size)
{
    return (int)CALL2(munmap, address, size);
}

static inline bool is_mapping(const void *address)
{
    return (unsigned long)address < (unsigned long)-4095L;
}

#endif
