#define PLAN_SIGNATURES
#include "decode.h"

/* Bytes that are left of a record's payload. */
struct reader {
    const unsigned char *at;
    size_t left;
};

static uint32_t little32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static const unsigned char *take(struct reader *reader, size_t size)
{
    if (size > reader->left)
        return NULL;
    const unsigned char *bytes = reader->at;
    reader->at += size;
    reader->left -= size;
    return bytes;
}

static int take32(struct reader *reader, uint32_t *number)
{
    const unsigned char *bytes = take(reader, 4);
    if (!bytes)
        return PLAN_MALFORMED;
    *number = little32(bytes);
    return 0;
}

static int take64(struct reader *reader, uint64_t *number)
{
    const unsigned char *bytes = take(reader, 8);
    if (!bytes)
        return PLAN_MALFORMED;
    *number = little32(bytes) | (uint64_t)little32(bytes + 4) << 32;
    return 0;
}

static int take_bytes(struct reader *reader, struct field *field)
{
    if (take32(reader, &field->length))
        return PLAN_MALFORMED;
    field->bytes = (const char *)take(reader, field->length);
    return field->bytes ? 0 : PLAN_MALFORMED;
}

static int take_text(struct reader *reader, struct field *field)
{
    if (take_bytes(reader, field))
        return PLAN_MALFORMED;
    for (uint32_t i = 0; i < field->length; i++)
        if (!field->bytes[i])
            return PLAN_MALFORMED;
    const unsigned char *end = take(reader, 1);
    return end && !*end ? 0 : PLAN_MALFORMED;
}

static int take_list(struct reader *reader, struct field *field)
{
    uint32_t count;
    if (take32(reader, &count))
        return PLAN_MALFORMED;
    const unsigned char *first = reader->at;
    for (uint32_t i = 0; i < count; i++) {
        struct field text;
        if (take_text(reader, &text))
            return PLAN_MALFORMED;
    }
    field->number = count;
    field->bytes = (const char *)first;
    /* Fits: a record's payload is counted in 32 bits. */
    field->length = (uint32_t)(reader->at - first);
    return 0;
}

static int take_slot(struct reader *reader, struct field *field)
{
    if (take64(reader, &field->number))
        return PLAN_MALFORMED;
    return field->number < MAX_SLOTS || field->number == NO_SLOT ? 0 : PLAN_MALFORMED;
}

static int take_field(struct reader *reader, char letter, struct field *field)
{
    switch (letter) {
    case 'i':
        return take64(reader, &field->number);
    case 'f':
        return take_slot(reader, field);
    case 's':
        return take_text(reader, field);
    case 'b':
        return take_bytes(reader, field);
    case 'l':
        return take_list(reader, field);
    default:
        return PLAN_MALFORMED;
    }
}

int plan_open(struct plan *plan, const void *bytes, size_t size)
{
    const unsigned char *header = bytes;
    if (size < PLAN_HEADER)
        return PLAN_MALFORMED;
    for (unsigned i = 0; i < sizeof PLAN_MAGIC - 1; i++)
        if (header[i] != (unsigned char)PLAN_MAGIC[i])
            return PLAN_MALFORMED;
    if (little32(header + 12) != size)
        return PLAN_MALFORMED;
    plan->bytes = header;
    plan->size = size;
    plan->count = little32(header + 8);
    return 0;
}

int plan_next(const struct plan *plan, size_t *offset, uint32_t index, struct record *record)
{
    if (*offset < PLAN_HEADER || *offset > plan->size)
        return PLAN_MALFORMED;
    if (index == plan->count)
        return *offset == plan->size ? 0 : PLAN_MALFORMED;
    struct reader rest = {plan->bytes + *offset, plan->size - *offset};
    uint32_t code, size;
    if (take32(&rest, &code) || take32(&rest, &size))
        return PLAN_MALFORMED;
    if (code == 0 || code > OP_COUNT)
        return PLAN_MALFORMED;
    struct reader payload = {take(&rest, size), size};
    if (!payload.at)
        return PLAN_MALFORMED;
    const char *letters = signatures[code];
    for (unsigned i = 0; i < MAX_FIELDS; i++)
        record->fields[i] = (struct field){0, "", 0};
    for (unsigned i = 0; letters[i]; i++)
        if (take_field(&payload, letters[i], &record->fields[i]))
            return PLAN_MALFORMED;
    if (payload.left)
        return PLAN_MALFORMED;
    record->code = code;
    *offset = plan->size - rest.left;
    return 1;
}

const char *list_next(const struct field *list, uint32_t *offset)
{
    if (*offset >= list->length)
        return NULL;
    /* take_list has checked lengths and ends. */
    const char *text = list->bytes + *offset + 4;
    *offset += 4 + little32((const unsigned char *)list->bytes + *offset) + 1;
    return text;
}

const char *fields_of(uint32_t code)
{
    return signatures[code];
}
