/* libFuzzer target: whatever the bytes are, reading them as a plan stays inside them. */
#include "slots.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where bytes that are only read go: the compiler may not leave the reading out. */
extern volatile char sink;
volatile char sink;

/* Reads both ends of every value, and checks what plan_next promises of it. */
static void use(const struct record *record)
{
    const char *letters = fields_of(record->code);
    for (unsigned i = 0; letters[i]; i++) {
        const struct field *field = &record->fields[i];
        uint32_t offset = 0;
        uint64_t strings = 0;
        const char *item;
        if (letters[i] == 's' && strlen(field->bytes) != field->length)
            abort();
        if (letters[i] == 'f' && field->number >= MAX_SLOTS && field->number != NO_SLOT)
            abort();
        if (letters[i] == 'b' && field->length)
            sink = field->bytes[0] ^ field->bytes[field->length - 1];
        if (letters[i] == 'l') {
            while ((item = list_next(field, &offset)))
                strings += strlen(item) < field->length;
            if (strings != field->number)
                abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan plan;
    struct record record;
    size_t offset = PLAN_HEADER;
    if (plan_open(&plan, data, size))
        return 0;
    int more = 1;
    for (uint32_t index = 0; more > 0; index++)
        if ((more = plan_next(&plan, &offset, index, &record)) > 0)
            use(&record);
    /* Only a plan that is whole comes this far in the init. */
    if (!more)
        slots_prepare(&plan);
    return 0;
}
