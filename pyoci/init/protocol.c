/*
 * The conversation with the runtime: who the container's process is, where it waits, and how it
 * goes on when the runtime has gone.
 *
 *     stage       PID ─▶                    then it ends
 *     container   SYNC ─▶ … ◀─ one byte     at every sync; the end of the pipe ends the container
 *                 (both pipes closed)       wait_start: one byte from the fifo, failures to a file
 */
#include "descriptors.h"
#include "report.h"
#include "slots.h"

static int clone_process(uint64_t flags, int cgroup, int *pidfd)
{
    /* CLONE_PARENT: the runtime's child, not the stage's. It has the stage's exit signal. */
    struct clone_args arguments = {
        .flags = flags | CLONE_PARENT,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
    };
    if (cgroup >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)cgroup;
    }
    int pid = sys_clone3(&arguments);
    /* The seccomp filters of engines that we may run inside hide clone3 behind ENOSYS. */
    if (pid == -ENOSYS && cgroup < 0)
        pid = sys_clone(flags | CLONE_PARENT | SIGCHLD, pidfd);
    return pid;
}

int op_clone(struct init *init, const struct record *record)
{
    uint64_t flags = number(record, CLONE_TYPES);
    bool serves_pidfd = has_slot(record, CLONE_PIDFD_SOCKET);
    int cgroup = has_slot(record, CLONE_CGROUP) ? slot_get(record, CLONE_CGROUP) : -1;
    int pidfd = -1;
    if (serves_pidfd)
        flags |= CLONE_PIDFD;
    int pid = clone_process(flags, cgroup, &pidfd);
    if (pid < 0)
        return pid;
    if (!pid)
        return 0;
    init->detail_length = 0;
    report(init, MESSAGE_PID, (uint32_t)pid, 0);
    if (serves_pidfd) {
        const struct field *payload = &record->fields[CLONE_PIDFD_PAYLOAD];
        int error = send_descriptor(slot_get(record, CLONE_PIDFD_SOCKET), pidfd, payload->bytes, payload->length);
        if (error) {
            detail(init, "sending the pidfd over its socket");
            return error;
        }
    }
    sys_exit(0);
}

/* Reads the one byte that lets the process go on; false at the end of the pipe. */
static bool may_go_on(int descriptor)
{
    char byte;
    long count;
    do
        count = sys_read(descriptor, &byte, 1);
    while (count == -EINTR);
    return count == 1;
}

int op_sync(struct init *init, const struct record *record)
{
    (void)record;
    if (report(init, MESSAGE_SYNC, init->index, 0) || !may_go_on(init->go))
        sys_exit(1); /* The runtime has died: nothing half-made survives it. */
    return 0;
}

int op_wait_start(struct init *init, const struct record *record)
{
    init->fifo = slot_take(record, WAIT_START_FIFO);
    init->report = slot_take(record, WAIT_START_REPORT);
    if (init->fifo < 0)
        return init->fifo;
    /* Now the runtime reads the end of its pipe and leaves. */
    sys_close(init->go);
    sys_close(init->status);
    init->go = init->status = -1;
    return may_go_on(init->fifo) ? 0 : -EPIPE;
}

int op_set_dumpable(struct init *init, const struct record *record)
{
    (void)init;
    return sys_prctl(PR_SET_DUMPABLE, number(record, SET_DUMPABLE_VALUE), 0);
}

int op_new_session(struct init *init, const struct record *record)
{
    (void)init;
    (void)record;
    return error_of(sys_setsid());
}
