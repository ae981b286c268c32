/*
 * The init: executes a plan.
 *
 * Its one argument is "plan,status,go": the descriptors of the plan (a sealed memfd), of the pipe
 * that tells the runtime what happens, and of the pipe that tells the init to go on.
 *
 *     stage       host operations … clone: the container's process goes on, the stage ends
 *     container   everything after clone, up to exec
 *
 * An operation is a function ``op_<name>`` with its record. It gives 0, or a negative error number;
 * before that it may say with `detail` what the number alone would not tell. The loop in main.c
 * turns both into a message, and ends the process: there is nothing to clean up that the end of a
 * process does not. Everything else gives what system calls give: 0 or more, or a negative error
 * number.
 *
 * Memory: what the container's process touches is charged to the container. So there is no heap,
 * and a buffer lives no longer than it is needed.
 */
#ifndef PYOCI_INIT_H
#define PYOCI_INIT_H

#include "decode.h"
#include "kernel.h"
#include "syscalls.h"

#define DETAIL_SIZE 512

struct init {
    const struct plan *plan;
    uint32_t index;              /* of the operation under way */
    int status, go;              /* the pipes; -1 once the runtime has been left */
    int report;                  /* then: the file that start reads, else -1 */
    int fifo;                    /* stays open up to exec: its end tells start */
    int root;                    /* below it the container's paths are resolved; AT_FDCWD: "/" */
    int lowest;                  /* descriptors below are the caller's to hand on */
    unsigned umask;              /* the program's; the init's own is 0 */
    int mask_directory, mask_file; /* empty and read-only, for mask_path; -1 until needed */
    bool masks_in_use[2];
    struct field arguments, environment; /* of the program */
    char detail[DETAIL_SIZE];
    uint32_t detail_length;
};

typedef int operation(struct init *init, const struct record *record);

#define DECLARE(code, function) operation function;
FOR_EACH_OPERATION(DECLARE)
#undef DECLARE

static inline uint64_t number(const struct record *record, unsigned field)
{
    return record->fields[field].number;
}

static inline const char *text(const struct record *record, unsigned field)
{
    return record->fields[field].bytes;
}

static inline bool has_slot(const struct record *record, unsigned field)
{
    return record->fields[field].number != NO_SLOT;
}

/* Gives the larger one of what a system call gave and success: for calls that may fail. */
static inline int error_of(long result)
{
    return result < 0 ? (int)result : 0;
}

#endif
