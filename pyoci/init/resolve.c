#include "resolve.h"

#include "text.h"

#define MOST_TRIES 128
#define MOST_LINKS 40 /* the kernel's own limit, path_resolution(7) */
#define DIRECTORY_MODE 0755
#define FILE_MODE 0644

int resolve(int directory, const char *path, uint64_t flags, uint64_t policy)
{
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = policy};
    int result = -EAGAIN;
    for (unsigned try = 0; result == -EAGAIN && try < MOST_TRIES; try++)
        result = sys_openat2(directory, path, &how);
    return result;
}

int resolve_place(const struct init *init, const char *path, uint64_t flags, uint64_t policy)
{
    if (init->root != AT_FDCWD)
        return resolve(init->root, path, O_PATH | flags, policy);
    int root = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (root < 0)
        return root;
    int place = resolve(root, path, O_PATH | flags, policy);
    sys_close(root);
    return place;
}

int facts_of(int descriptor, struct statx *facts)
{
    return sys_statx(descriptor, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, facts);
}

bool on_file_system(int descriptor, int64_t magic)
{
    struct statfs facts;
    return !sys_fstatfs(descriptor, &facts) && facts.type == magic;
}

static int make_file(int directory, const char *name)
{
    int file = sys_openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    return file < 0 ? file : sys_close(file);
}

/* Opens one component, made if it is missing. Gives -ELOOP when it is a symlink. Whatever is there
 * by now is not followed (CVE-2024-45310). */
static int enter(int directory, const char *name, int kind)
{
    int error = kind == TARGET_DIRECTORY ? sys_mkdirat(directory, name, DIRECTORY_MODE)
                                         : make_file(directory, name);
    if (error && error != -EEXIST)
        return error;
    struct statx facts;
    int next = resolve(directory, name, O_PATH | O_NOFOLLOW, BELOW);
    if (next < 0 || (error = facts_of(next, &facts)))
        return next < 0 ? next : error;
    if ((facts.mode & S_IFMT) == S_IFLNK)
        error = -ELOOP;
    else if (kind == TARGET_DIRECTORY && (facts.mode & S_IFMT) != S_IFDIR)
        error = -ENOTDIR;
    if (!error)
        return next;
    sys_close(next);
    return error;
}

/* A path on the way to being made. ``done`` is the length of the part that exists. */
struct way {
    char path[PATH_MAX];
    size_t done;
};

static size_t skip_slashes(const char *path, size_t at)
{
    while (path[at] == '/')
        at++;
    return at;
}

/* Opens the longest part of the way that exists. */
static int open_existing(const struct init *init, struct way *way, uint64_t policy)
{
    for (way->done = strlen(way->path);;) {
        char cut = way->path[way->done];
        way->path[way->done] = 0;
        int place = resolve_place(init, way->done ? way->path : "/", 0, policy);
        way->path[way->done] = cut;
        if (place != -ENOENT || !way->done)
            return place;
        while (way->done && way->path[way->done - 1] == '/')
            way->done--;
        while (way->done && way->path[way->done - 1] != '/')
            way->done--;
    }
}

/* Replaces the component at ``at`` .. ``end``, a symlink in ``directory``, by what it points to. */
static int follow(struct way *way, int directory, size_t at, size_t end)
{
    char rest[PATH_MAX];
    size_t rest_length = strlen(way->path + end), length = 0;
    memcpy(rest, way->path + end, rest_length + 1);
    char cut = way->path[end];
    way->path[end] = 0;
    char link[PATH_MAX];
    long size = sys_readlinkat(directory, way->path + at, link, sizeof link);
    way->path[end] = cut;
    if (size < 0)
        return (int)size;
    if (size == sizeof link)
        return -ENAMETOOLONG;
    if (link[0] != '/')
        length = at;
    way->path[length] = 0;
    if (!append(way->path, sizeof way->path, &length, link, (size_t)size) ||
        !append(way->path, sizeof way->path, &length, rest, rest_length))
        return -ENAMETOOLONG;
    return 0;
}

/* Makes what is missing of a way. Gives -EAGAIN when it has changed: it led over a symlink. */
static int make_rest(struct way *way, int directory, int kind)
{
    for (size_t at = skip_slashes(way->path, way->done); way->path[at];) {
        size_t end = at;
        while (way->path[end] && way->path[end] != '/')
            end++;
        size_t next_at = skip_slashes(way->path, end);
        char cut = way->path[end];
        way->path[end] = 0;
        int next = -ENOENT;
        if (!same_text(way->path + at, ".."))
            next = enter(directory, way->path + at, way->path[next_at] && cut ? TARGET_DIRECTORY : kind);
        way->path[end] = cut;
        if (next == -ELOOP) {
            int error = follow(way, directory, at, end);
            next = error ? error : -EAGAIN;
        }
        sys_close(directory);
        if (next < 0)
            return next;
        directory = next;
        at = next_at;
    }
    return directory;
}

int resolve_target(const struct init *init, const char *path, int kind, uint64_t flags, uint64_t policy)
{
    int place = resolve_place(init, path, flags, policy);
    if (place != -ENOENT)
        return place;
    struct way way;
    size_t length = 0;
    if (!append(way.path, sizeof way.path, &length, path, strlen(path)))
        return -ENAMETOOLONG;
    for (unsigned links = 0; links <= MOST_LINKS; links++) {
        int existing = open_existing(init, &way, policy);
        if (existing < 0)
            return existing;
        place = make_rest(&way, existing, kind);
        if (place != -EAGAIN)
            return place;
        if (policy & RESOLVE_NO_SYMLINKS)
            return -ELOOP;
    }
    return -ELOOP;
}

int resolve_parent(const struct init *init, const char *path, char name[NAME_MAX + 1])
{
    char directory[PATH_MAX];
    size_t end = strlen(path), length = 0;
    while (end && path[end - 1] == '/')
        end--;
    size_t at = end;
    while (at && path[at - 1] != '/')
        at--;
    size_t name_length = 0;
    if (end - at > NAME_MAX || at >= sizeof directory)
        return -ENAMETOOLONG;
    append(name, NAME_MAX + 1, &name_length, path + at, end - at);
    append(directory, sizeof directory, &length, path, at);
    if (!name_length || same_text(name, ".") || same_text(name, ".."))
        return -EINVAL;
    return resolve_target(init, length ? directory : "/", TARGET_DIRECTORY, O_DIRECTORY, IN_ROOT);
}
