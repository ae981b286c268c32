/* libFuzzer target: a line of mountinfo, which is taken apart in place. */
#include "mountinfo.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    struct mountinfo mount;
    memcpy(line, data, size);
    line[size] = 0;
    if (parse_mountinfo(line, &mount)) {
        const char *end = line + size + 1;
        if (mount.place < line || mount.type < line || mount.place + strlen(mount.place) >= end ||
            mount.type + strlen(mount.type) >= end)
            abort();
    }
    free(line);
    return 0;
}
