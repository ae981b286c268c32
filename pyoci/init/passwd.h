/* A user's home directory from the text of an /etc/passwd (passwd(5)) that may hold anything. */
#ifndef PYOCI_PASSWD_H
#define PYOCI_PASSWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOME_SIZE 1024

/* The search so far. `home` is the answer once `found` is set. */
struct home_search {
    uint32_t wanted;
    unsigned field;  /* of the line, from 0 */
    uint64_t id;     /* the line's uid as read up to here */
    bool digits;     /* there has been one */
    bool usable;     /* false: this line is none, or is another user's */
    bool found;
    size_t length;
    char home[HOME_SIZE];
};

void home_begin(struct home_search *search, uint32_t uid);

/* Takes the next part of the text. The first line of the user counts. */
void home_feed(struct home_search *search, const char *bytes, size_t size);

/* Says that the text has ended, with or without a newline. */
void home_end(struct home_search *search);

#endif
