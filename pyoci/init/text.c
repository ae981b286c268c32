#include "text.h"

bool same_text(const char *left, const char *right)
{
    while (*left && *left == *right)
        left++, right++;
    return *left == *right;
}

bool starts_with(const char *text, const char *start)
{
    while (*start)
        if (*text++ != *start++)
            return false;
    return true;
}

const char *decimal(int64_t number, char buffer[NUMBER_SIZE])
{
    char *at = buffer + NUMBER_SIZE - 1;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    *at = 0;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0)
        *--at = '-';
    return at;
}

bool append(char *buffer, size_t size, size_t *at, const char *more, size_t length)
{
    if (length >= size - *at)
        return false;
    memcpy(buffer + *at, more, length);
    *at += length;
    buffer[*at] = 0;
    return true;
}

int64_t parse_number(const char **text)
{
    const char *at = *text;
    int64_t value = 0;
    if (*at < '0' || *at > '9')
        return -1;
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (*at - '0');
        if (value > INT32_MAX)
            return -1;
    }
    *text = at;
    return value;
}
