/* libFuzzer target: an /etc/passwd that is read in parts, whatever is in it. The first byte is the
 * size of the parts. */
#include "passwd.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void search(struct home_search *search, const char *bytes, size_t size, size_t part)
{
    home_begin(search, 1000);
    for (size_t at = 0; at < size; at += part)
        home_feed(search, bytes + at, part < size - at ? part : size - at);
    home_end(search);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct home_search whole, parts;
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data + 1;
    search(&whole, bytes, size - 1, size - 1);
    search(&parts, bytes, size - 1, data[0] + 1U);
    /* How it is cut makes no difference. */
    if (whole.found != parts.found || (whole.found && strcmp(whole.home, parts.home)))
        abort();
    if (whole.found && (!whole.home[0] || strlen(whole.home) >= HOME_SIZE))
        abort();
    return 0;
}
