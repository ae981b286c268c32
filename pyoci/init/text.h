/* Strings and memory: the few functions that are needed, with the names the compiler expects. */
#ifndef PYOCI_TEXT_H
#define PYOCI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *left, const void *right, size_t size);
size_t strlen(const char *text);

bool same_text(const char *left, const char *right);
bool starts_with(const char *text, const char *start);

/* Writes a number in decimal at the end of ``buffer`` (NUMBER_SIZE bytes); gives where it begins. */
#define NUMBER_SIZE 24
const char *decimal(int64_t number, char buffer[NUMBER_SIZE]);

/* Copies a text to ``*at`` in a buffer of ``size`` and moves on; false when it does not fit. The
 * buffer always ends with NUL. */
bool append(char *buffer, size_t size, size_t *at, const char *more, size_t length);

/* Reads a decimal number and moves on; -1 when there is none or it is over 2^31. */
int64_t parse_number(const char **text);

#endif
