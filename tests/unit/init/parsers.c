/*
 * The init's parsers, each behind a word on the command line, for test_init_parsers.py. Built with
 * AddressSanitizer and UndefinedBehaviorSanitizer: a read past the end ends the program with a report.
 *
 *     plan FILE             every record: its code, then its fields, one a line
 *     damage FILE           reads every beginning of the file, and the file with each byte changed
 *     passwd UID SIZE FILE  the home directory, read in parts of SIZE bytes
 *     mountinfo FILE        place and type of every line
 *     numbers WORD...       each read as a number
 *     append SIZE WORD...   the words put into a buffer of SIZE bytes as far as they fit
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "mountinfo.h"
#include "passwd.h"

bool append(char *buffer, size_t size, size_t *at, const char *more, size_t length);
int64_t parse_number(const char **text);

/* Reads a file into memory of exactly its size, so that the sanitizer guards its end. */
static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        exit(2);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size ? *size : 1);
    if (fread(bytes, 1, *size, file) != *size)
        exit(2);
    fclose(file);
    return bytes;
}

static void print_hex(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("%02x", (unsigned char)bytes[i]);
}

static void print_field(char letter, const struct field *field)
{
    uint32_t offset = 0;
    const char *item;
    printf("%c ", letter);
    if (letter == 'i' || letter == 'f')
        printf("%llu", (unsigned long long)field->number);
    else if (letter == 'l')
        while ((item = list_next(field, &offset))) {
            print_hex(item, strlen(item));
            putchar(',');
        }
    else
        print_hex(field->bytes, field->length);
    putchar('\n');
}

/* Reads a whole plan; gives 0 or PLAN_MALFORMED. */
static int read_plan(const unsigned char *bytes, size_t size, bool print)
{
    struct plan plan;
    struct record record;
    size_t offset = PLAN_HEADER;
    int more = plan_open(&plan, bytes, size);
    if (more)
        return more;
    for (uint32_t index = 0; (more = plan_next(&plan, &offset, index, &record)) > 0; index++) {
        const char *letters = fields_of(record.code);
        if (print)
            printf("%u\n", record.code);
        for (unsigned i = 0; letters[i]; i++) {
            uint32_t at = 0;
            uint64_t strings = 0;
            if (print)
                print_field(letters[i], &record.fields[i]);
            while (letters[i] == 'l' && list_next(&record.fields[i], &at))
                strings++;
            if (letters[i] == 'l' && strings != record.fields[i].number)
                abort();
        }
    }
    return more;
}

static int damage(const unsigned char *bytes, size_t size)
{
    static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    unsigned long beginnings = 0, refused = 0;
    for (size_t length = 0; length < size; length++) {
        unsigned char *part = malloc(length ? length : 1);
        memcpy(part, bytes, length);
        beginnings++;
        refused += read_plan(part, length, false) == PLAN_MALFORMED;
        free(part);
    }
    unsigned char *copy = malloc(size);
    memcpy(copy, bytes, size);
    for (size_t at = 0; at < size; at++) {
        for (unsigned i = 0; i < sizeof values; i++) {
            copy[at] = values[i];
            read_plan(copy, size, false);
        }
        copy[at] = bytes[at];
    }
    free(copy);
    printf("%lu of %lu\n", refused, beginnings);
    return 0;
}

static int passwd(uint32_t uid, size_t chunk, const unsigned char *bytes, size_t size)
{
    struct home_search search;
    home_begin(&search, uid);
    for (size_t at = 0; at < size; at += chunk)
        home_feed(&search, (const char *)bytes + at, chunk < size - at ? chunk : size - at);
    home_end(&search);
    if (search.found)
        puts(search.home);
    return !search.found;
}

static int mounts(const unsigned char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        const unsigned char *end = memchr(bytes + at, '\n', size - at);
        size_t length = end ? (size_t)(end - (bytes + at)) : size - at;
        char *line = malloc(length + 1);
        struct mountinfo mount;
        memcpy(line, bytes + at, length);
        line[length] = 0;
        if (parse_mountinfo(line, &mount))
            printf("%s %s\n", mount.place, mount.type);
        else
            puts("-");
        free(line);
        at += length + 1;
    }
    return 0;
}

static int appended(size_t size, char **words)
{
    char *buffer = malloc(size);
    size_t at = 0;
    buffer[0] = 0;
    for (; *words; words++)
        printf("%d %s\n", append(buffer, size, &at, *words, strlen(*words)), buffer);
    free(buffer);
    return 0;
}

static int numbers(char **words)
{
    for (; *words; words++) {
        const char *at = *words;
        printf("%lld ", (long long)parse_number(&at));
        puts(at);
    }
    return 0;
}

int main(int count, char **arguments)
{
    size_t size = 0;
    unsigned char *bytes = NULL;
    if (count < 3)
        return 2;
    const char *what = arguments[1], *last = arguments[count - 1];
    if (!strcmp(what, "numbers"))
        return numbers(arguments + 2);
    if (!strcmp(what, "append"))
        return appended(strtoul(arguments[2], NULL, 10), arguments + 3);
    bytes = read_file(last, &size);
    int status = 2;
    if (!strcmp(what, "plan"))
        status = read_plan(bytes, size, true) ? 1 : 0;
    else if (!strcmp(what, "damage"))
        status = damage(bytes, size);
    else if (!strcmp(what, "passwd") && count == 5)
        status = passwd((uint32_t)strtoul(arguments[2], NULL, 10), strtoul(arguments[3], NULL, 10), bytes, size);
    else if (!strcmp(what, "mountinfo"))
        status = mounts(bytes, size);
    free(bytes);
    return status;
}
