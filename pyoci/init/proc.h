/* procfs: directories of the one that is mounted at /proc, checked to be one. */
#ifndef PYOCI_PROC_H
#define PYOCI_PROC_H

#include "init.h"
#include "resolve.h"

/* Opens this process's directory, or another's, in the procfs at /proc. */
int open_own_proc(void);
int open_proc_of(int pid);

#endif
