#include "passwd.h"

/* name:password:UID:GID:comment:HOME:shell */
#define UID_FIELD 2
#define HOME_FIELD 5

static void begin_line(struct home_search *search)
{
    search->field = 0;
    search->id = 0;
    search->digits = false;
    search->usable = true;
    search->length = 0;
}

void home_begin(struct home_search *search, uint32_t uid)
{
    search->wanted = uid;
    search->found = false;
    begin_line(search);
}

static void end_line(struct home_search *search)
{
    if (search->usable && search->field >= HOME_FIELD && search->length) {
        search->home[search->length] = 0;
        search->found = true;
    }
    begin_line(search);
}

static void take_digit(struct home_search *search, char byte)
{
    search->digits = byte >= '0' && byte <= '9';
    if (!search->digits)
        search->usable = false;
    else
        search->id = search->id * 10 + (uint64_t)(byte - '0');
    if (search->id > UINT32_MAX)
        search->usable = false;
}

static void take_byte(struct home_search *search, char byte)
{
    if (byte == ':') {
        if (search->field == UID_FIELD && (!search->digits || search->id != search->wanted))
            search->usable = false;
        search->field++;
    } else if (search->field == UID_FIELD) {
        take_digit(search, byte);
    } else if (search->field == HOME_FIELD) {
        if (!byte || search->length + 1 >= HOME_SIZE)
            search->usable = false;
        else
            search->home[search->length++] = byte;
    }
}

void home_feed(struct home_search *search, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && !search->found; i++) {
        if (bytes[i] == '\n')
            end_line(search);
        else if (search->usable)
            take_byte(search, bytes[i]);
    }
}

void home_end(struct home_search *search)
{
    if (!search->found)
        end_line(search);
}
