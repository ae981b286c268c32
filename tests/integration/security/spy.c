/*
 * Looks at every other process it can see, all the time, until SIGTERM.
 *
 *     spy FILE exe        writes "PID COMM TARGET" for every program that it has seen executed
 *     spy FILE secrets    … for what it could read of a process that is still the runtime's:
 *                         its descriptors, root, working directory; or that it could be traced
 *
 * The runtime's are those whose program is not a file of this root: "/memfd:…", or not to be read.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_LINES 4096

static volatile sig_atomic_t over;
static char *seen[MOST_LINES];
static unsigned count;

static void stop(int signal)
{
    (void)signal;
    over = 1;
}

static void note(FILE *out, int pid, const char *comm, const char *what)
{
    char line[2 * PATH_MAX];
    snprintf(line, sizeof line, "%d %s %s", pid, comm, what);
    for (unsigned i = 0; i < count; i++)
        if (!strcmp(seen[i], line))
            return;
    if (count == MOST_LINES)
        return;
    seen[count++] = strdup(line);
    fprintf(out, "%s\n", line);
    fflush(out);
}

static int read_link(int pid, const char *name, char *target)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    long length = readlink(path, target, PATH_MAX - 1);
    target[length < 0 ? 0 : length] = 0;
    return length >= 0;
}

static int read_comm(int pid, char *comm, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    long length = file < 0 ? -1 : read(file, comm, size - 1);
    if (file >= 0)
        close(file);
    if (length <= 0)
        return 0;
    comm[length - 1] = 0;
    return 1;
}

/* Says whether what was read was read from the runtime's process: its name is so before and after. */
static int is_runtime(int pid)
{
    char comm[32];
    return read_comm(pid, comm, sizeof comm) && (strstr(comm, "pyoci") || strstr(comm, "runc"));
}

static void secrets(FILE *out, int pid)
{
    char target[PATH_MAX], what[PATH_MAX + 64], name[32];
    static const char *const links[] = {"root", "cwd", "exe"};
    if (!is_runtime(pid))
        return;
    note(out, pid, "-", "met");
    for (unsigned i = 0; i < 3; i++) {
        snprintf(what, sizeof what, "%s ", links[i]);
        if (read_link(pid, links[i], target) && is_runtime(pid))
            note(out, pid, "READ", strcat(what, target));
    }
    for (int descriptor = 0; descriptor < 64; descriptor++) {
        snprintf(name, sizeof name, "fd/%d", descriptor);
        snprintf(what, sizeof what, "%s ", name);
        if (read_link(pid, name, target) && is_runtime(pid))
            note(out, pid, "READ", strcat(what, target));
    }
    if (!ptrace(PTRACE_SEIZE, pid, NULL, NULL)) {
        if (is_runtime(pid))
            note(out, pid, "READ", "traced");
        if (!ptrace(PTRACE_INTERRUPT, pid, NULL, NULL))
            waitpid(pid, NULL, __WALL);
        ptrace(PTRACE_DETACH, pid, NULL, NULL);
    }
}

static void programs(FILE *out, int pid)
{
    char target[PATH_MAX];
    if (read_link(pid, "exe", target))
        note(out, pid, "-", target);
}

int main(int argc, char **argv)
{
    FILE *out = argc == 3 ? fopen(argv[1], "w") : NULL;
    if (!out)
        return 2;
    signal(SIGTERM, stop);
    void (*look)(FILE *, int) = strcmp(argv[2], "exe") ? secrets : programs;
    /* Numbers are given out in order: those after the last are looked at without a directory. */
    for (int last = 1; !over;) {
        DIR *proc = opendir("/proc");
        struct dirent *entry;
        while ((entry = readdir(proc))) {
            int pid = atoi(entry->d_name);
            if (pid > last)
                last = pid;
            if (pid > 0 && (pid != getpid() || look == programs))
                look(out, pid);
        }
        closedir(proc);
        for (int turn = 0; turn < 500 && !over; turn++)
            for (int pid = last + 1; pid < last + 4; pid++)
                look(out, pid);
    }
    return 0;
}
