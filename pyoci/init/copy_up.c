/*
 * tmpcopyup: fills a new tmpfs with what the directory it is going to cover holds.
 *
 * The image is hostile: nothing is followed, only plain files are opened, and the depth is limited.
 * The copy goes into a mount that is attached nowhere, so nobody interferes on that side.
 */
#include "report.h"
#include "resolve.h"
#include "slots.h"
#include "text.h"

#define DEEPEST 100
#define ENTRIES_SIZE 1024
#define ATTRIBUTES_SIZE 1024
#define CHUNK (1 << 20)

static int copy_entries(struct init *init, int from, int to, unsigned depth);

/* Copies extended attributes as far as the new file system takes them. */
static void copy_attributes(int from, int to)
{
    char names[ATTRIBUTES_SIZE], value[ATTRIBUTES_SIZE];
    long size = sys_flistxattr(from, names, sizeof names);
    for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
        long length = sys_fgetxattr(from, name, value, sizeof value);
        if (length >= 0)
            sys_fsetxattr(to, name, value, (size_t)length);
    }
}

static int copy_times(int directory, const char *name, const struct statx *facts)
{
    struct timespec times[2] = {
        {facts->atime.seconds, facts->atime.nanoseconds},
        {facts->mtime.seconds, facts->mtime.nanoseconds},
    };
    return sys_utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW);
}

/* Gives an open copy the owner, mode and attributes of its original, in the order in which none
 * undoes another. */
static int copy_metadata(int from, int to, const struct statx *facts)
{
    int error = sys_fchownat(to, "", facts->uid, facts->gid, AT_EMPTY_PATH);
    if (!error)
        error = sys_fchmod(to, facts->mode & 07777);
    if (!error)
        copy_attributes(from, to);
    return error;
}

static int copy_file(int from, int to_directory, const char *name, const struct statx *facts)
{
    long count = 0;
    int to = sys_openat(to_directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0)
        return to;
    do
        count = sys_sendfile(to, from, CHUNK);
    while (count > 0 || count == -EINTR);
    int error = count < 0 ? (int)count : copy_metadata(from, to, facts);
    sys_close(to);
    return error;
}

static int copy_directory(struct init *init, int from, int to_directory, const char *name,
                          const struct statx *facts, unsigned depth)
{
    int error = sys_mkdirat(to_directory, name, 0700);
    if (error)
        return error;
    int to = sys_openat(to_directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (to < 0)
        return to;
    error = copy_entries(init, from, to, depth + 1);
    if (!error)
        error = copy_metadata(from, to, facts);
    sys_close(to);
    return error;
}

static int copy_link(int place, int to_directory, const char *name, const struct statx *facts)
{
    char target[PATH_MAX];
    long size = sys_readlinkat(place, "", target, sizeof target - 1);
    if (size < 0)
        return (int)size;
    target[size] = 0;
    int error = sys_symlinkat(target, to_directory, name);
    if (!error)
        error = sys_fchownat(to_directory, name, facts->uid, facts->gid, AT_SYMLINK_NOFOLLOW);
    return error;
}

static int copy_node(int to_directory, const char *name, const struct statx *facts)
{
    unsigned device = (facts->rdev_minor & 0xff) | (facts->rdev_major & 0xfff) << 8 |
                      (facts->rdev_minor & ~0xffU) << 12;
    int error = sys_mknodat(to_directory, name, facts->mode, device);
    if (!error)
        error = sys_fchownat(to_directory, name, facts->uid, facts->gid, AT_SYMLINK_NOFOLLOW);
    return error;
}

/* Copies a plain file or directory. What is opened is looked at again: it may be another by now. */
static int copy_opened(struct init *init, int from_directory, int to_directory, const char *name,
                       unsigned type, unsigned depth)
{
    struct statx facts;
    int from = resolve(from_directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, BELOW);
    if (from < 0)
        return from;
    int error = facts_of(from, &facts);
    if (!error && (facts.mode & S_IFMT) != type)
        error = -ESTALE;
    if (!error)
        error = type == S_IFDIR ? copy_directory(init, from, to_directory, name, &facts, depth)
                                : copy_file(from, to_directory, name, &facts);
    sys_close(from);
    return error;
}

static int copy_entry(struct init *init, int from_directory, int to_directory, const char *name, unsigned depth)
{
    struct statx facts;
    int place = resolve(from_directory, name, O_PATH | O_NOFOLLOW, BELOW);
    if (place < 0)
        return place;
    int error = facts_of(place, &facts);
    unsigned type = facts.mode & S_IFMT;
    if (error)
        ;
    else if (type == S_IFDIR || type == S_IFREG)
        error = copy_opened(init, from_directory, to_directory, name, type, depth);
    else if (type == S_IFLNK)
        error = copy_link(place, to_directory, name, &facts);
    else
        error = copy_node(to_directory, name, &facts);
    sys_close(place);
    if (!error)
        error = copy_times(to_directory, name, &facts);
    if (error && !init->detail_length)
        detail(init, name);
    return error;
}

static int copy_entries(struct init *init, int from, int to, unsigned depth)
{
    char entries[ENTRIES_SIZE] __attribute__((aligned(8)));
    if (depth > DEEPEST)
        return -ELOOP;
    for (;;) {
        long size = sys_getdents64(from, entries, sizeof entries);
        if (size <= 0)
            return (int)size;
        const struct directory_entry *entry;
        for (long at = 0; at < size; at += entry->length) {
            entry = (const struct directory_entry *)(entries + at);
            if (same_text(entry->name, ".") || same_text(entry->name, ".."))
                continue;
            int error = copy_entry(init, from, to, entry->name, depth);
            if (error)
                return error;
        }
    }
}

int op_copy_up(struct init *init, const struct record *record)
{
    int mount = slot_get(record, COPY_UP_SLOT);
    if (mount < 0)
        return mount;
    int place = resolve_place(init, text(record, COPY_UP_TARGET), O_DIRECTORY, IN_ROOT);
    if (place == -ENOENT)
        return 0;
    if (place < 0)
        return place;
    int from = sys_openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    sys_close(place);
    if (from < 0)
        return from;
    int error = copy_entries(init, from, mount, 0);
    sys_close(from);
    return error;
}
