/*
 * Slots: the registers of a plan, which hold open descriptors. Each is closed after the last
 * operation that names it, so that a low limit of open files is no obstacle to what comes later.
 */
#ifndef PYOCI_SLOTS_H
#define PYOCI_SLOTS_H

#include "init.h"

/* Notes for every slot of a checked plan the last operation that names it. */
void slots_prepare(const struct plan *plan);

/* Closes what the operation under way was the last to name. */
void slots_release(struct init *init, const struct record *record);

/* Puts a descriptor, or the error in its place, into the slot that a field names. */
int slot_set(struct init *init, const struct record *record, unsigned field, int descriptor);

/* Gives the descriptor of the slot that a field names, -EBADF when nothing is in it. */
int slot_get(const struct record *record, unsigned field);

/* Gives the descriptor and empties the slot: it is the caller's to close. */
int slot_take(const struct record *record, unsigned field);

/* Moves a descriptor that lives on to a number that is not the caller's to hand on. */
int keep(struct init *init, int descriptor);

/* Remembers that the slot's namespace has been joined; says whether it had been before. */
bool slot_joined(const struct record *record, unsigned field);
void slot_mark_joined(const struct record *record, unsigned field);

#endif
