/* The system calls of the launcher, without a C library: its start-up would cost more than the
 * launcher's own work. On other machines than these two the C library makes the calls. */
#ifndef PYOCI_LAUNCHER_SYSCALLS_H
#define PYOCI_LAUNCHER_SYSCALLS_H

#include <sys/syscall.h>

#if defined(__x86_64__)

static inline long call4(long number, long a, long b, long c, long d)
{
    long result;
    register long fourth __asm__("r10") = d;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

/* The stack at the entry point is argc, argv, NULL, envp, NULL, auxv (System V ABI, AMD64, 3.4.1). */
__asm__(".globl _start\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call enter\n");

#elif defined(__aarch64__)

static inline long call4(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}

__asm__(".globl _start\n"
        "_start:\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    mov x0, sp\n"
        "    bl enter\n");

#else

#include <errno.h>
#include <unistd.h>

static inline long call4(long number, long a, long b, long c, long d)
{
    long result = syscall(number, a, b, c, d);
    return result < 0 ? -errno : result;
}

#define PYOCI_LAUNCHER_HAS_LIBC 1

#endif

#endif
