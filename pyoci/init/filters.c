/* Programs for the kernel: the seccomp filter and the cgroup's device rules. */
#include "descriptors.h"
#include "report.h"
#include "slots.h"

#define INSTRUCTION_SIZE 8
#define MOST_FILTER_INSTRUCTIONS 4096

/* Loads a filter. That needs CAP_SYS_ADMIN in effect, or no_new_privs (seccomp(2)). A plan that does
 * so after the change of user keeps the capability among the permitted ones; its operation
 * `capabilities` that follows takes it away. */
static int load(unsigned long flags, const struct filter_program *filter)
{
    struct capability_header header = {.version = CAPABILITY_VERSION_3};
    struct capability_data data[2];
    int result = sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, filter);
    if (result != -EACCES || sys_capget(&header, data) || !(data[0].permitted >> CAP_SYS_ADMIN & 1))
        return result;
    data[0].effective |= 1U << CAP_SYS_ADMIN;
    int error = sys_capset(&header, data);
    return error ? error : sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, filter);
}

static int load_filter(struct init *init, const struct record *record)
{
    const struct field *program = &record->fields[SECCOMP_PROGRAM];
    unsigned long flags = number(record, SECCOMP_FLAGS);
    if (program->length % INSTRUCTION_SIZE || program->length / INSTRUCTION_SIZE > MOST_FILTER_INSTRUCTIONS)
        return -EINVAL;
    struct filter_program filter = {(uint16_t)(program->length / INSTRUCTION_SIZE), program->bytes};
    if (!has_slot(record, SECCOMP_LISTENER))
        return load(flags, &filter);
    /* There is one thread: nothing to synchronise, and the kernel refuses both flags together. */
    flags = (flags & ~(unsigned long)SECCOMP_FILTER_FLAG_TSYNC) | SECCOMP_FILTER_FLAG_NEW_LISTENER;
    int listener = load(flags, &filter);
    if (listener < 0)
        return listener;
    int error = send_descriptor(slot_get(record, SECCOMP_LISTENER), listener, "l", 1);
    sys_close(listener);
    if (error)
        detail(init, "sending the listener");
    return error;
}

int op_seccomp(struct init *init, const struct record *record)
{
    int error = load_filter(init, record);
    /* By this word `start` knows which operation the report is about. */
    if (error < 0 && init->report >= 0 && !init->detail_length)
        detail(init, "seccomp");
    return error;
}

int op_load_device_program(struct init *init, const struct record *record)
{
    (void)init;
    static const char license[] = "Apache-2.0";
    const struct field *program = &record->fields[LOAD_DEVICE_PROGRAM_PROGRAM];
    int cgroup = slot_get(record, LOAD_DEVICE_PROGRAM_CGROUP);
    if (cgroup < 0)
        return cgroup;
    struct bpf_load load = {
        .type = BPF_PROG_TYPE_CGROUP_DEVICE,
        .instruction_count = program->length / INSTRUCTION_SIZE,
        .instructions = (uint64_t)(uintptr_t)program->bytes,
        .license = (uint64_t)(uintptr_t)license,
        .name = "pyoci_devices",
    };
    int loaded = sys_bpf(BPF_PROG_LOAD, &load, sizeof load);
    if (loaded < 0)
        return loaded;
    struct bpf_attach attach = {
        .target = (uint32_t)cgroup,
        .program = (uint32_t)loaded,
        .type = BPF_CGROUP_DEVICE,
        .flags = BPF_F_ALLOW_MULTI,
    };
    int error = sys_bpf(BPF_PROG_ATTACH, &attach, sizeof attach);
    sys_close(loaded);
    return error;
}
