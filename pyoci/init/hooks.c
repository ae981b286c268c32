/* Hooks that run in the container's namespaces: createContainer and startContainer (config.md). */
#include "report.h"
#include "text.h"
#include "vectors.h"

#define OUTPUT_SIZE 256 /* of what a hook says last, how much is told */
#define MILLION 1000000

struct hook {
    int pidfd;
    int output, errors;      /* what it writes; -1 at their end */
    char last[OUTPUT_SIZE];  /* of its standard error */
    size_t length;
};

/* Holds the state for the hook's standard input: without a writer that the hook could block. */
static int state_file(const struct record *record)
{
    static const unsigned parts[] = {RUN_HOOK_STATE_HEAD, 0, RUN_HOOK_STATE_TAIL};
    char digits[NUMBER_SIZE];
    int file = sys_memfd_create("state", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (file == -EINVAL)
        file = sys_memfd_create("state", MFD_CLOEXEC); /* before Linux 6.3 */
    if (file < 0)
        return file;
    for (unsigned i = 0; i < 3; i++) {
        const char *bytes = i == 1 ? decimal(sys_getpid(), digits) : text(record, parts[i]);
        size_t length = strlen(bytes);
        long written = sys_write(file, bytes, length);
        if (written != (long)length)
            return written < 0 ? (int)written : -EIO;
    }
    long error = sys_lseek(file, 0, 0);
    return error ? (int)error : file;
}

__attribute__((noreturn)) static void execute(const struct init *init, const struct record *record,
                                              const int streams[3], int failure)
{
    const struct field *arguments = &record->fields[RUN_HOOK_ARGS];
    const struct field *environment = &record->fields[RUN_HOOK_ENV];
    const char *path = text(record, RUN_HOOK_PATH);
    int error = -ENOMEM;
    char **argv = new_vector(arguments->number + environment->number + 3);
    if (argv) {
        char **envp = point_at(argv, arguments) + 1;
        if (!arguments->number)
            *argv = (char *)(uintptr_t)path, envp++;
        point_at(envp, environment);
        sys_umask(init->umask);
        for (int stream = 0; stream < 3; stream++)
            sys_dup3(streams[stream], stream, 0);
        sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
        error = sys_execve(path, argv, envp);
    }
    sys_write(failure, &error, sizeof error);
    sys_exit(127);
}

/* Reads what a hook writes; false at its end. Only the end of its standard error is remembered. */
static bool drain(int descriptor, struct hook *hook)
{
    char chunk[OUTPUT_SIZE];
    long count = sys_read(descriptor, chunk, sizeof chunk);
    if (count == -EINTR)
        return true;
    if (count <= 0)
        return false;
    if (descriptor != hook->errors)
        return true;
    size_t more = (size_t)count, keep_bytes = sizeof hook->last - more;
    if (hook->length > keep_bytes) {
        memmove(hook->last, hook->last + hook->length - keep_bytes, keep_bytes);
        hook->length = keep_bytes;
    }
    memcpy(hook->last + hook->length, chunk, more);
    hook->length += more;
    return true;
}

static int64_t now(void)
{
    struct timespec time = {0, 0};
    sys_clock_gettime(CLOCK_MONOTONIC, &time);
    return time.seconds * 1000 + time.nanoseconds / MILLION;
}

/* Waits for the hook's end, not for that of its output: a daemon that it leaves behind may hold the
 * pipes for ever. Gives -ETIMEDOUT when it had to be killed. */
static int follow(struct hook *hook, uint64_t timeout)
{
    int64_t deadline = now() + (int64_t)timeout * 1000;
    int result = 0;
    for (;;) {
        struct pollfd ready[3] = {
            {hook->errors, POLLIN, 0},
            {hook->output, POLLIN, 0},
            {hook->pidfd, POLLIN, 0},
        };
        int64_t left = deadline - now();
        struct timespec wait = {left / 1000, left % 1000 * MILLION};
        if (left <= 0)
            wait = (struct timespec){0, 0};
        int count = sys_ppoll(ready, 3, timeout && !result ? &wait : NULL);
        if (count == -EINTR)
            continue;
        if (count < 0)
            return count;
        if (!count) {
            sys_pidfd_send_signal(hook->pidfd, SIGKILL);
            result = -ETIMEDOUT;
        }
        if (ready[0].revents && !drain(hook->errors, hook))
            hook->errors = -1;
        if (ready[1].revents && !drain(hook->output, hook))
            hook->output = -1;
        if (ready[2].revents && !ready[0].revents)
            return result;
    }
}

/* Adds the last line that the hook has written to its standard error. */
static void tell_last_line(struct init *init, const struct hook *hook)
{
    size_t end = hook->length;
    while (end && (hook->last[end - 1] == '\n' || hook->last[end - 1] == ' '))
        end--;
    size_t start = end;
    while (start && hook->last[start - 1] != '\n')
        start--;
    if (end > start) {
        detail(init, ", stderr: ");
        detail_bytes(init, hook->last + start, end - start);
    }
}

/* Reaps the hook and says how it ended; 0 when it succeeded. */
static int judge(struct init *init, struct hook *hook, int failure)
{
    struct siginfo info = {0};
    int error = 0;
    while (sys_waitid(P_PIDFD, hook->pidfd, &info, WEXITED) == -EINTR)
        ;
    if (sys_read(failure, &error, sizeof error) == sizeof error && error < 0)
        return error;
    if (info.code == CLD_EXITED && !info.status)
        return 0;
    detail(init, info.code == CLD_EXITED ? "exit status " : "signal ");
    detail_number(init, info.status);
    tell_last_line(init, hook);
    return -EPROTO;
}

static int run(struct init *init, const struct record *record, int state, int output[2], int errors[2], int failure[2])
{
    struct hook hook = {.output = output[0], .errors = errors[0]};
    int pid = sys_clone(CLONE_PIDFD | SIGCHLD, &hook.pidfd);
    if (!pid)
        execute(init, record, (int[]){state, output[1], errors[1]}, failure[1]);
    sys_close(output[1]);
    sys_close(errors[1]);
    sys_close(failure[1]);
    if (pid < 0)
        return pid;
    uint64_t timeout = number(record, RUN_HOOK_TIMEOUT);
    int error = follow(&hook, timeout > INT32_MAX ? INT32_MAX : timeout);
    int verdict = judge(init, &hook, failure[0]);
    sys_close(hook.pidfd);
    if (error != -ETIMEDOUT)
        return error ? error : verdict;
    init->detail_length = 0;
    detail(init, "killed at its timeout of ");
    detail_number(init, (int64_t)timeout);
    detail(init, " s");
    return error;
}

/* `start`, which does not have the plan, knows a hook's failure by the first word. */
static void tell_which(struct init *init, const struct record *record)
{
    char said[DETAIL_SIZE];
    uint32_t length = init->detail_length;
    memcpy(said, init->detail, length);
    init->detail_length = 0;
    detail(init, "hook ");
    detail(init, text(record, RUN_HOOK_PATH));
    if (length)
        detail(init, ": ");
    detail_bytes(init, said, length);
}

int op_run_hook(struct init *init, const struct record *record)
{
    int output[2], errors[2], failure[2];
    int state = state_file(record);
    int error = state < 0 ? state : sys_pipe2(output, O_CLOEXEC);
    if (!error)
        error = sys_pipe2(errors, O_CLOEXEC);
    if (!error)
        error = sys_pipe2(failure, O_CLOEXEC);
    if (error)
        return error;
    error = run(init, record, state, output, errors, failure);
    sys_close(state);
    sys_close(output[0]);
    sys_close(errors[0]);
    sys_close(failure[0]);
    if (error && init->report >= 0)
        tell_which(init, record);
    return error;
}
