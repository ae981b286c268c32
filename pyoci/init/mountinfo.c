#include "mountinfo.h"

#include "proc.h"
#include "text.h"

/* One line has the path of the mount and the one inside its file system, escaped, and options. */
#define LONGEST_LINE (6 * PATH_MAX)
#define PLACE_FIELD 4

static bool is_octal(const char *at)
{
    return at[0] >= '0' && at[0] <= '3' && at[1] >= '0' && at[1] <= '7' && at[2] >= '0' && at[2] <= '7';
}

/* Undoes "\040" and the like, in place. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        if (*from == '\\' && is_octal(from + 1)) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = 0;
}

/* Ends the word at ``*at`` with NUL and moves to the next one. */
static char *next_word(char **at)
{
    char *word = *at;
    if (!*word)
        return NULL;
    while (**at && **at != ' ')
        ++*at;
    if (**at)
        *(*at)++ = 0;
    return word;
}

bool parse_mountinfo(char *line, struct mountinfo *mount)
{
    char *at = line, *word = NULL;
    for (unsigned field = 0; field <= PLACE_FIELD; field++)
        if (!(word = next_word(&at)))
            return false;
    char *place = word;
    /* Options and optional fields, up to the one that is "-". */
    do
        word = next_word(&at);
    while (word && !same_text(word, "-"));
    mount->type = word ? next_word(&at) : NULL;
    if (!mount->type)
        return false;
    unescape(place);
    mount->place = place;
    return true;
}

static int each_line(int file, char *buffer, int (*each)(void *, const struct mountinfo *), void *context)
{
    size_t held = 0;
    for (;;) {
        long count = sys_read(file, buffer + held, LONGEST_LINE - held);
        if (count <= 0)
            return (int)count;
        held += (size_t)count;
        size_t start = 0;
        for (size_t at = 0; at < held; at++) {
            struct mountinfo mount;
            if (buffer[at] != '\n')
                continue;
            buffer[at] = 0;
            int error = parse_mountinfo(buffer + start, &mount) ? each(context, &mount) : 0;
            if (error)
                return error;
            start = at + 1;
        }
        if (!start && held == LONGEST_LINE)
            return -ENAMETOOLONG;
        memmove(buffer, buffer + start, held - start);
        held -= start;
    }
}

int each_mount(int (*each)(void *context, const struct mountinfo *mount), void *context)
{
    int self = open_own_proc();
    if (self < 0)
        return self;
    int file = resolve(self, "mountinfo", O_RDONLY, BELOW_SAME_MOUNT);
    sys_close(self);
    if (file < 0)
        return file;
    char *buffer = sys_mmap(LONGEST_LINE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    int error = is_mapping(buffer) ? each_line(file, buffer, each, context) : (int)(long)buffer;
    if (is_mapping(buffer))
        sys_munmap(buffer, LONGEST_LINE);
    sys_close(file);
    return error;
}
