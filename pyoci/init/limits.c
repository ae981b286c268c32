/* What the kernel keeps per process and passes on over exec: limits, priorities, places to run. */
#include "init.h"
#include "text.h"

int op_rlimit(struct init *init, const struct record *record)
{
    (void)init;
    struct rlimit limit = {number(record, RLIMIT_SOFT), number(record, RLIMIT_HARD)};
    return sys_prlimit64((int)number(record, RLIMIT_RESOURCE), &limit);
}

/* Set when the program starts: the init makes files with exact modes. */
int op_umask(struct init *init, const struct record *record)
{
    init->umask = (unsigned)number(record, UMASK_MASK) & 0777;
    return 0;
}

int op_personality(struct init *init, const struct record *record)
{
    (void)init;
    return error_of(sys_personality(number(record, PERSONALITY_DOMAIN)));
}

int op_scheduler(struct init *init, const struct record *record)
{
    (void)init;
    const struct field *attributes = &record->fields[SCHEDULER_ATTRIBUTES];
    uint32_t size;
    if (attributes->length < sizeof size)
        return -EINVAL;
    /* The structure begins with its own size, which the kernel reads. */
    memcpy(&size, attributes->bytes, sizeof size);
    if (size > attributes->length)
        return -EINVAL;
    return sys_sched_setattr(attributes->bytes);
}

int op_io_priority(struct init *init, const struct record *record)
{
    (void)init;
    return sys_ioprio_set((int)number(record, IO_PRIORITY_VALUE));
}

int op_memory_policy(struct init *init, const struct record *record)
{
    (void)init;
    const struct field *nodes = &record->fields[MEMORY_POLICY_NODES];
    /* The kernel counts one bit less than it is told (set_mempolicy(2), BUGS). */
    return sys_set_mempolicy((int)number(record, MEMORY_POLICY_MODE), nodes->length ? nodes->bytes : NULL,
                             nodes->length ? nodes->length * 8UL + 1 : 0);
}

int op_cpu_affinity(struct init *init, const struct record *record)
{
    (void)init;
    const struct field *cpus = &record->fields[CPU_AFFINITY_CPUS];
    return error_of(sys_sched_setaffinity(cpus->length, cpus->bytes));
}
