/* /proc/self/mountinfo (proc(5)), read a line at a time. */
#ifndef PYOCI_MOUNTINFO_H
#define PYOCI_MOUNTINFO_H

#include <stdbool.h>

struct mountinfo {
    const char *place; /* where it is mounted, octal escapes undone */
    const char *type;
};

/* Takes a line apart, in place; false when it is not one. */
bool parse_mountinfo(char *line, struct mountinfo *mount);

/* Calls ``each`` for the mounts of this process's namespace, until it gives an error. */
int each_mount(int (*each)(void *context, const struct mountinfo *mount), void *context);

#endif
