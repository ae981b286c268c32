#include "slots.h"

static struct {
    int descriptor; /* 0: empty. No slot holds standard input. */
    uint32_t last_use;
} slots[MAX_SLOTS];
static bool joined[MAX_SLOTS];

void slots_prepare(const struct plan *plan)
{
    size_t offset = PLAN_HEADER;
    struct record record;
    for (uint32_t index = 0; plan_next(plan, &offset, index, &record) > 0; index++) {
        const char *letters = fields_of(record.code);
        for (unsigned field = 0; letters[field]; field++)
            if (letters[field] == 'f' && has_slot(&record, field))
                slots[number(&record, field)].last_use = index;
    }
}

void slots_release(struct init *init, const struct record *record)
{
    const char *letters = fields_of(record->code);
    for (unsigned field = 0; letters[field]; field++)
        if (letters[field] == 'f' && has_slot(record, field) &&
            slots[number(record, field)].last_use == init->index) {
            int descriptor = slot_take(record, field);
            if (descriptor >= 0)
                sys_close(descriptor);
        }
}

int keep(struct init *init, int descriptor)
{
    if (descriptor < 0 || descriptor >= init->lowest)
        return descriptor;
    int moved = sys_fcntl(descriptor, F_DUPFD_CLOEXEC, init->lowest);
    sys_close(descriptor);
    return moved;
}

int slot_set(struct init *init, const struct record *record, unsigned field, int descriptor)
{
    descriptor = keep(init, descriptor);
    if (descriptor < 0)
        return descriptor;
    if (!has_slot(record, field)) {
        sys_close(descriptor);
        return -EINVAL;
    }
    int before = slot_take(record, field);
    if (before >= 0)
        sys_close(before);
    slots[number(record, field)].descriptor = descriptor;
    return 0;
}

int slot_get(const struct record *record, unsigned field)
{
    if (!has_slot(record, field))
        return -EBADF;
    int descriptor = slots[number(record, field)].descriptor;
    return descriptor > 0 ? descriptor : -EBADF;
}

int slot_take(const struct record *record, unsigned field)
{
    int descriptor = slot_get(record, field);
    if (descriptor >= 0)
        slots[number(record, field)].descriptor = 0;
    return descriptor;
}

bool slot_joined(const struct record *record, unsigned field)
{
    return has_slot(record, field) && joined[number(record, field)];
}

void slot_mark_joined(const struct record *record, unsigned field)
{
    if (has_slot(record, field))
        joined[number(record, field)] = true;
}
