#include "report.h"

#include "text.h"

#define HEADER 16

void detail_bytes(struct init *init, const char *more, size_t length)
{
    size_t room = DETAIL_SIZE - init->detail_length;
    if (length > room)
        length = room;
    memcpy(init->detail + init->detail_length, more, length);
    init->detail_length += (uint32_t)length;
}

void detail(struct init *init, const char *more)
{
    detail_bytes(init, more, strlen(more));
}

void detail_number(struct init *init, int64_t value)
{
    char buffer[NUMBER_SIZE];
    detail(init, decimal(value, buffer));
}

static char *little32(char *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (char)(value >> 8 * i);
    return to + 4;
}

int report(struct init *init, enum message kind, uint32_t index, int error)
{
    char message[HEADER + DETAIL_SIZE], *at = message;
    size_t size = HEADER + init->detail_length;
    int descriptor = init->status >= 0 ? init->status : init->report;
    at = little32(at, kind);
    at = little32(at, index);
    at = little32(at, (uint32_t)error);
    at = little32(at, init->detail_length);
    memcpy(at, init->detail, init->detail_length);
    init->detail_length = 0;
    if (descriptor < 0)
        return -EPIPE;
    /* One write: it is smaller than PIPE_BUF, so it arrives whole. */
    for (;;) {
        long written = sys_write(descriptor, message, size);
        if (written != -EINTR)
            return written == (long)size ? 0 : -EPIPE;
    }
}

void warn(struct init *init)
{
    report(init, MESSAGE_WARNING, init->index, 0);
}

void fail(struct init *init, int error)
{
    report(init, MESSAGE_FAILED, init->index, error < 0 ? -error : error);
    sys_exit(1);
}
