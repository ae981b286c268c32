/* Tells the runtime what happens. The messages are those of pyoci/plan/stage.py. */
#ifndef PYOCI_REPORT_H
#define PYOCI_REPORT_H

#include "init.h"

enum message { MESSAGE_PID = 1, MESSAGE_SYNC = 2, MESSAGE_FAILED = 3, MESSAGE_WARNING = 4 };

/* Adds to what is said about an error; what does not fit is left out. */
void detail(struct init *init, const char *more);
void detail_bytes(struct init *init, const char *more, size_t length);
void detail_number(struct init *init, int64_t value);

/* Writes a message with the detail as its text. Gives 0 or -EPIPE when nobody reads any more. */
int report(struct init *init, enum message kind, uint32_t index, int error);

/* Tells the runtime of something that is not an error, in the words of the detail. */
void warn(struct init *init);

/* Reports the failure of the operation under way and ends the process. */
__attribute__((noreturn)) void fail(struct init *init, int error);

#endif
