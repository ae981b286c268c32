/* Directories, device nodes and links in the container's file system. */
#include "report.h"
#include "resolve.h"
#include "text.h"

int op_make_directory(struct init *init, const struct record *record)
{
    int directory = resolve_target(init, text(record, MAKE_DIRECTORY_PATH), TARGET_DIRECTORY, O_DIRECTORY, IN_ROOT);
    return directory < 0 ? directory : sys_close(directory);
}

/* A device number as mknod(2) takes it. */
static unsigned device_number(uint64_t major, uint64_t minor)
{
    return (unsigned)((minor & 0xff) | (major & 0xfff) << 8 | (minor & ~0xffULL) << 12);
}

/* What is at the path already may stay if it is the device that is asked for. */
static int check_existing(struct init *init, const struct record *record, const struct statx *facts)
{
    unsigned type = (unsigned)number(record, MAKE_DEVICE_MODE) & S_IFMT;
    bool same = (facts->mode & S_IFMT) == type &&
                (type == S_IFIFO || (facts->rdev_major == number(record, MAKE_DEVICE_MAJOR) &&
                                     facts->rdev_minor == number(record, MAKE_DEVICE_MINOR)));
    if (same)
        return 0;
    detail(init, "something else is at that path");
    return -EEXIST;
}

/* Gives the node its owner. Its mode is exact already: the init's umask is 0. */
static int own_node(int node, const struct statx *facts, const struct record *record)
{
    unsigned uid = (unsigned)number(record, MAKE_DEVICE_UID), gid = (unsigned)number(record, MAKE_DEVICE_GID);
    if (facts->uid == uid && facts->gid == gid)
        return 0;
    return sys_fchownat(node, "", uid, gid, AT_EMPTY_PATH);
}

static int make_node(struct init *init, int directory, const char *name, const struct record *record)
{
    struct statx facts;
    uint64_t major = number(record, MAKE_DEVICE_MAJOR), minor = number(record, MAKE_DEVICE_MINOR);
    int error = sys_mknodat(directory, name, (unsigned)number(record, MAKE_DEVICE_MODE), device_number(major, minor));
    bool existed = error == -EEXIST;
    if (error && !existed)
        return error;
    int node = resolve(directory, name, O_PATH | O_NOFOLLOW, BELOW);
    if (node < 0)
        return node;
    error = facts_of(node, &facts);
    if (!error)
        error = check_existing(init, record, &facts);
    if (!error && !existed)
        error = own_node(node, &facts, record);
    sys_close(node);
    return error;
}

int op_make_device(struct init *init, const struct record *record)
{
    char name[NAME_MAX + 1];
    int directory = resolve_parent(init, text(record, MAKE_DEVICE_PATH), name);
    if (directory < 0)
        return directory;
    int error = make_node(init, directory, name, record);
    sys_close(directory);
    return error;
}

/* Another link or a device node in the place of a link gives way: images have a /dev of their own,
 * whose ptmx would be the host's. A file or directory stays. */
static int replace(int directory, const char *name, const char *target)
{
    char present[PATH_MAX];
    struct statx facts;
    int error = sys_statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &facts);
    if (error)
        return error;
    unsigned type = facts.mode & S_IFMT;
    if (type == S_IFLNK) {
        long size = sys_readlinkat(directory, name, present, sizeof present - 1);
        if (size < 0)
            return (int)size;
        present[size] = 0;
        if (same_text(present, target))
            return 0;
    } else if (type != S_IFCHR) {
        return 0;
    }
    if (sys_unlinkat(directory, name, 0))
        return 0; /* On a read-only file system, or mounted over: as the image has it. */
    return sys_symlinkat(target, directory, name);
}

int op_make_symlink(struct init *init, const struct record *record)
{
    char name[NAME_MAX + 1];
    const char *target = text(record, MAKE_SYMLINK_TARGET);
    int directory = resolve_parent(init, text(record, MAKE_SYMLINK_PATH), name);
    if (directory < 0)
        return directory;
    int error = sys_symlinkat(target, directory, name);
    if (error == -EEXIST)
        error = replace(directory, name, target);
    sys_close(directory);
    return error;
}
