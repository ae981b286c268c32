/* The entry: seals what was inherited, checks the plan, and runs it from top to bottom. */
#include "init.h"
#include "report.h"
#include "slots.h"
#include "text.h"

#define CANNOT_START 125 /* the exit status when there is nobody to tell */

static operation *const operations[OP_COUNT + 1] = {
#define ENTRY(code, function) [code] = function,
    FOR_EACH_OPERATION(ENTRY)
#undef ENTRY
};

/* Nothing that was inherited may reach a program by accident: not the runtime's descriptors
 * (CVE-2024-21626), nor the signals that Python ignores. The standard streams have to be there: the
 * next file to be opened would become one of them. */
static int seal(void)
{
    static const struct kernel_sigaction by_default;
    static const uint64_t none;
    for (int stream = 0; stream < 3; stream++)
        if (sys_fcntl(stream, F_GETFD, 0) < 0)
            sys_openat(AT_FDCWD, "/dev/null", O_RDWR | O_NOCTTY, 0);
    for (int signal = 1; signal <= NSIG; signal++)
        if (signal != SIGKILL && signal != SIGSTOP)
            sys_rt_sigaction(signal, &by_default);
    sys_rt_sigprocmask(SIG_SETMASK, &none);
    /* Executed from a memfd it would be called by a number. */
    sys_prctl(PR_SET_NAME, (unsigned long)"pyoci-init", 0);
    return sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
}

static bool parse_descriptors(const char *argument, int *plan, int *status, int *go)
{
    int *const all[] = {plan, status, go};
    for (unsigned i = 0; i < 3; i++) {
        if (i && *argument++ != ',')
            return false;
        *all[i] = (int)parse_number(&argument);
        if (*all[i] < 3)
            return false;
    }
    return !*argument;
}

/* Maps the plan: its pages are the runtime's, and shared. */
static int map_plan(struct plan *plan, int descriptor)
{
    struct statx facts;
    int error = sys_statx(descriptor, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &facts);
    if (error < 0)
        return error;
    if (!facts.size)
        return PLAN_MALFORMED;
    void *bytes = sys_mmap(facts.size, PROT_READ, MAP_PRIVATE, descriptor);
    if (!is_mapping(bytes))
        return (int)(long)bytes;
    sys_close(descriptor);
    return plan_open(plan, bytes, facts.size);
}

/* Reads every record once before any is executed; takes note of the descriptors to hand on. */
static int check_plan(struct init *init)
{
    struct record record;
    size_t offset = PLAN_HEADER;
    for (;; init->index++) {
        int more = plan_next(init->plan, &offset, init->index, &record);
        if (more <= 0)
            return more;
        if (record.code == OP_CLOSE_FILES && number(&record, CLOSE_FILES_FIRST) < INT32_MAX)
            init->lowest = (int)number(&record, CLOSE_FILES_FIRST);
    }
}

static int run_plan(struct init *init)
{
    struct record record;
    size_t offset = PLAN_HEADER;
    for (init->index = 0; plan_next(init->plan, &offset, init->index, &record) > 0; init->index++) {
        init->detail_length = 0;
        int error = operations[record.code](init, &record);
        if (error < 0)
            return error;
        slots_release(init, &record);
    }
    detail(init, "the plan ends without exec");
    return -ENOEXEC;
}

/* No operation is to blame: the index is none's. */
__attribute__((noreturn)) static void begin_failed(struct init *init, const char *doing, int error)
{
    init->index = UINT32_MAX;
    init->detail_length = 0;
    detail(init, doing);
    fail(init, error);
}

int main(int count, char **arguments)
{
    static struct plan plan;
    static struct init init = {
        .plan = &plan,
        .report = -1,
        .fifo = -1,
        .root = AT_FDCWD,
        .lowest = 3,
        .mask_directory = -1,
        .mask_file = -1,
    };
    int descriptor;
    if (count != 2 || !parse_descriptors(arguments[1], &descriptor, &init.status, &init.go))
        return CANNOT_START;
    init.umask = sys_umask(0);
    int error = seal();
    if (error)
        begin_failed(&init, "closing what was inherited", error);
    if ((error = map_plan(&plan, descriptor)) || (error = check_plan(&init)))
        begin_failed(&init, "reading the plan", error);
    slots_prepare(&plan);
    fail(&init, run_plan(&init));
}
