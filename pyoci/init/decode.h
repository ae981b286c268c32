/*
 * Reads a plan: bytes → records. The format is written down in pyoci/plan/encode.py.
 *
 * Every length is checked against the bytes that are there before anything is read; a record that
 * `plan_next` gives holds only texts that end, lists that are complete, and slots that exist.
 */
#ifndef PYOCI_DECODE_H
#define PYOCI_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "plan_table.h"

#define PLAN_MAGIC "pyociPL1"
#define PLAN_HEADER 16
#define PLAN_MALFORMED (-74) /* -EBADMSG */
#define NO_SLOT UINT64_MAX

/* One value. ``number``: of an int or slot, or how many strings a list has. ``bytes`` and
 * ``length``: a text without its NUL, bytes, or a list's strings as they are encoded. */
struct field {
    uint64_t number;
    const char *bytes;
    uint32_t length;
};

struct record {
    uint32_t code;
    struct field fields[MAX_FIELDS];
};

struct plan {
    const unsigned char *bytes;
    size_t size;
    uint32_t count;
};

/* Checks the header. Gives 0 or PLAN_MALFORMED. */
int plan_open(struct plan *plan, const void *bytes, size_t size);

/* Reads the record at ``*offset`` (PLAN_HEADER at first) and moves on. ``index`` is the record's
 * number. Gives 1, 0 at the end, or PLAN_MALFORMED. */
int plan_next(const struct plan *plan, size_t *offset, uint32_t index, struct record *record);

/* Gives the string of a list at ``*offset`` (0 at first) and moves on; NULL at the end. */
const char *list_next(const struct field *list, uint32_t *offset);

/* Gives the letters of an operation's fields, see plan_table.h. */
const char *fields_of(uint32_t code);

#endif
