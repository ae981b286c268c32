/*
 * procfs, for what is written to it.
 *
 * What is mounted in a container may cover any of its files, and a write that the runtime means for
 * a label or a sysctl would reach another (CVE-2019-16884, CVE-2025-52881). So writes go through an
 * instance that is attached nowhere, where nothing can be mounted, and each is checked on top.
 */
#include "proc.h"

#include "report.h"
#include "slots.h"
#include "text.h"

static bool is_proc_root(int descriptor)
{
    struct statx facts;
    return on_file_system(descriptor, PROC_SUPER_MAGIC) && !facts_of(descriptor, &facts) &&
           facts.ino == PROC_ROOT_INO;
}

static int open_mounted(void)
{
    int proc = sys_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (proc < 0 || is_proc_root(proc))
        return proc;
    sys_close(proc);
    return -ENODEV;
}

/* Opens a process's directory; 0 is this process, whatever its number there. */
static int open_process(int proc, int pid)
{
    char name[NUMBER_SIZE];
    long length = NUMBER_SIZE - 1;
    const char *digits = name;
    if (pid)
        digits = decimal(pid, name);
    else
        length = sys_readlinkat(proc, "self", name, NUMBER_SIZE - 1);
    if (length < 0)
        return (int)length;
    if (!pid)
        name[length] = 0;
    return resolve(proc, digits, O_PATH | O_DIRECTORY, BELOW_SAME_MOUNT);
}

int open_proc_of(int pid)
{
    int proc = open_mounted();
    if (proc < 0)
        return proc;
    int process = open_process(proc, pid);
    sys_close(proc);
    return process;
}

int open_own_proc(void)
{
    return open_proc_of(0);
}

static int new_procfs(void)
{
    int context = sys_fsopen("proc", FSOPEN_CLOEXEC);
    if (context < 0)
        return context;
    int proc = sys_fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL);
    if (!proc)
        proc = sys_fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    sys_close(context);
    return proc;
}

/* A user namespace may make an instance only where the PID namespace is its own as well and the
 * host's procfs is fully visible. Otherwise it is the one at /proc: no mount of the container exists
 * yet, and no lookup in it crosses to another mount. */
int op_open_proc(struct init *init, const struct record *record)
{
    int proc = new_procfs();
    if (proc < 0) {
        int mounted = open_mounted();
        if (mounted >= 0)
            proc = mounted;
    }
    return slot_set(init, record, OPEN_PROC_SLOT, proc);
}

/* Opens a file of procfs for writing. "self" is a symlink, which no lookup here follows. */
static int open_for_writing(int proc, const char *path)
{
    if (!starts_with(path, "self/"))
        return resolve(proc, path, O_WRONLY, BELOW_SAME_MOUNT);
    int process = open_process(proc, 0);
    if (process < 0)
        return process;
    int file = resolve(process, path + 5, O_WRONLY, BELOW_SAME_MOUNT);
    sys_close(process);
    return file;
}

int op_write_proc(struct init *init, const struct record *record)
{
    int proc = slot_get(record, WRITE_PROC_PROC);
    if (proc < 0)
        return proc;
    if (!is_proc_root(proc)) {
        detail(init, "not a procfs");
        return -EPERM;
    }
    const struct field *value = &record->fields[WRITE_PROC_VALUE];
    int file = open_for_writing(proc, text(record, WRITE_PROC_PATH));
    if (file < 0)
        return file;
    if (!on_file_system(file, PROC_SUPER_MAGIC)) {
        detail(init, "not on procfs");
        return -EXDEV;
    }
    long written = sys_write(file, value->bytes, value->length);
    sys_close(file);
    if (written < 0)
        return (int)written;
    return written == (long)value->length ? 0 : -EIO;
}
