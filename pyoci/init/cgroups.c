/* Cgroups of version 1, joined by the process itself.
 *
 * Whoever moves another process waits until every processor has passed a quiet state, often ten
 * milliseconds: a group of threads must not change meanwhile. A thread that moves itself, by "0" in
 * the file "tasks", does not wait. Where that fails nothing is said: the runtime looks, and moves
 * the process then. */
#include "slots.h"
#include "text.h"

int op_open_cgroup(struct init *init, const struct record *record)
{
    int file = sys_openat(AT_FDCWD, text(record, OPEN_CGROUP_PATH), O_WRONLY | O_NOCTTY | O_CLOEXEC,
                          0);
    if (file >= 0)
        slot_set(init, record, OPEN_CGROUP_SLOT, file);
    return 0;
}

int op_join_cgroup(struct init *init, const struct record *record)
{
    (void)init;
    int file = slot_get(record, JOIN_CGROUP_SLOT);
    if (file >= 0)
        sys_write(file, "0", 1);
    return 0;
}
