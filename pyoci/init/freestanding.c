/*
 * What a C library would have brought: the entry point, the stack protector's secret, and the
 * memory functions that compilers call on their own. Compiled without the stack protector, and so
 * that a loop here is not recognised as the function it implements.
 */
#include "kernel.h"
#include "syscalls.h"
#include "text.h"

int main(int count, char **arguments);
__attribute__((noreturn)) void start(long *stack);
void __stack_chk_fail(void);

uintptr_t __stack_chk_guard;

#if defined(__x86_64__)
__asm__(".globl _start\n"
        "_start:\n"
        "    xor %ebp, %ebp\n"
        "    mov %rsp, %rdi\n"
        "    and $-16, %rsp\n"
        "    call start\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
        "_start:\n"
        "    mov x29, #0\n"
        "    mov x30, #0\n"
        "    mov x0, sp\n"
        "    and sp, x0, #-16\n"
        "    b start\n");
#endif

/* The stack as the kernel leaves it: argc, argv, NULL, environment, NULL, auxiliary vector. */
void start(long *stack)
{
    char **arguments = (char **)(stack + 1);
    char **environment = arguments + stack[0] + 1;
    while (*environment)
        environment++;
    for (uintptr_t *pair = (uintptr_t *)(environment + 1); pair[0] != AT_NULL; pair += 2)
        if (pair[0] == AT_RANDOM)
            memcpy(&__stack_chk_guard, (const void *)pair[1], sizeof __stack_chk_guard);
    /* A text that runs over its end must not be able to write the whole guard. */
    __stack_chk_guard &= ~(uintptr_t)0xff;
    sys_exit(main((int)stack[0], arguments));
}

void __stack_chk_fail(void)
{
    for (;;)
        __builtin_trap();
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    char *target = to;
    const char *source = from;
    while (size--)
        *target++ = *source++;
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    char *target = to;
    const char *source = from;
    if (target <= source)
        return memcpy(to, from, size);
    while (size--)
        target[size] = source[size];
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    char *target = to;
    while (size--)
        *target++ = (char)byte;
    return to;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const unsigned char *a = left, *b = right;
    for (; size; size--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}
