/* Namespaces: joined, left, and made for an idmapped mount or for other clocks. */
#include "proc.h"
#include "report.h"
#include "slots.h"

/* Joining what one is in already fails for some types; a namespace that could be joined with the
 * caller's privileges is not joined again with those of the user namespace. */
int op_join_namespace(struct init *init, const struct record *record)
{
    (void)init;
    if (slot_joined(record, JOIN_NAMESPACE_SLOT))
        return 0;
    int error = slot_get(record, JOIN_NAMESPACE_SLOT);
    if (error >= 0)
        error = sys_setns(error, (int)number(record, JOIN_NAMESPACE_TYPE));
    if (!error)
        slot_mark_joined(record, JOIN_NAMESPACE_SLOT);
    return number(record, JOIN_NAMESPACE_TOLERANT) && error == -EPERM ? 0 : error;
}

int op_join_process(struct init *init, const struct record *record)
{
    (void)init;
    int pidfd = slot_get(record, JOIN_PROCESS_PIDFD);
    return pidfd < 0 ? pidfd : sys_setns(pidfd, (int)number(record, JOIN_PROCESS_TYPES));
}

int op_unshare(struct init *init, const struct record *record)
{
    (void)init;
    return sys_unshare(number(record, UNSHARE_TYPES));
}

static int write_text(int directory, const char *name, const struct field *value)
{
    int file = resolve(directory, name, O_WRONLY, BELOW_SAME_MOUNT);
    if (file < 0)
        return file;
    long written = sys_write(file, value->bytes, value->length);
    sys_close(file);
    return error_of(written);
}

/* The offsets can only be written while the namespace has no process in it, and the process that
 * unshares it is not: its children would be (time_namespaces(7)). */
int op_time_namespace(struct init *init, const struct record *record)
{
    int error = sys_unshare(CLONE_NEWTIME);
    if (error)
        return error;
    int self = open_own_proc();
    if (self < 0) {
        detail(init, "opening /proc/self");
        return self;
    }
    const struct field *offsets = &record->fields[TIME_NAMESPACE_OFFSETS];
    if (offsets->length && (error = write_text(self, "timens_offsets", offsets))) {
        detail(init, "writing the offsets");
        return error;
    }
    /* A magic link: allowed, as the directory is known to be procfs. */
    int namespace = resolve(self, "ns/time_for_children", O_RDONLY, 0);
    sys_close(self);
    if (namespace < 0)
        return namespace;
    error = sys_setns(namespace, CLONE_NEWTIME);
    sys_close(namespace);
    return error;
}

/* Starts a child in a user namespace of its own that only waits to be killed. */
static int waiting_child(int *pidfd)
{
    int pid = sys_clone(CLONE_NEWUSER | CLONE_PIDFD | SIGCHLD, pidfd);
    if (pid)
        return pid;
    for (;;)
        sys_ppoll(NULL, 0, NULL);
}

static int map_ids(struct init *init, int process, const struct record *record)
{
    int error = write_text(process, "uid_map", &record->fields[MAKE_USER_NAMESPACE_UID_MAP]);
    if (!error)
        error = write_text(process, "gid_map", &record->fields[MAKE_USER_NAMESPACE_GID_MAP]);
    if (error) {
        detail(init, "writing its id mappings");
        return error;
    }
    return resolve(process, "ns/user", O_RDONLY, 0);
}

/* An idmapped mount takes its mapping from a user namespace, which no process need be in
 * (mount_setattr(2)): it lives as long as the descriptor. */
int op_make_user_namespace(struct init *init, const struct record *record)
{
    struct siginfo info;
    int pidfd;
    int pid = waiting_child(&pidfd);
    if (pid < 0)
        return pid;
    int process = open_proc_of(pid);
    int namespace = process < 0 ? process : map_ids(init, process, record);
    sys_pidfd_send_signal(pidfd, SIGKILL);
    while (sys_waitid(P_PIDFD, pidfd, &info, WEXITED) == -EINTR)
        ;
    sys_close(pidfd);
    if (process >= 0)
        sys_close(process);
    return slot_set(init, record, MAKE_USER_NAMESPACE_SLOT, namespace);
}
