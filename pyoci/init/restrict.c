/* Masked and read-only paths (config-linux.md). What does not exist need not be hidden. */
#include "mounts.h"
#include "resolve.h"
#include "slots.h"

#define MASK_OPTIONS 2

/* Makes the two things that masked paths are covered with: an empty directory and an empty file, of
 * a read-only tmpfs that nobody else has. Not the container's /dev/null, which an image can replace
 * by a link (CVE-2025-31133).
 *
 * A part of a mount can be cloned only while the mount is attached (before Linux 6.15). For that
 * moment it lies on the root, where no lookup from the root sees it. */
static int clone_masks(struct init *init, int mount)
{
    struct mount_attr read_only = {.set = MOUNT_ATTR_RDONLY};
    int error = sys_mkdirat(mount, "directory", 0555);
    if (error)
        return error;
    int file = sys_openat(mount, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (file < 0)
        return file;
    sys_close(file);
    error = set_attributes(mount, read_only, false);
    if (!error)
        error = sys_move_mount(mount, init->root);
    if (error)
        return error;
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    init->mask_directory = keep(init, sys_open_tree(mount, "directory", flags));
    init->mask_file = keep(init, sys_open_tree(mount, "file", flags));
    error = sys_fchdir(mount);
    if (!error)
        error = sys_umount2(".", MNT_DETACH);
    if (!error)
        error = sys_fchdir(init->root);
    if (init->mask_directory < 0)
        return init->mask_directory;
    return init->mask_file < 0 ? init->mask_file : error;
}

static int make_masks(struct init *init)
{
    /* Two options as a plan's list has them: length, text, NUL. */
    static const char encoded[] = "\11\0\0\0mode=0755\0\13\0\0\0nr_inodes=3";
    struct field options = {MASK_OPTIONS, encoded, sizeof encoded};
    int mount = new_mount(init, "tmpfs", "tmpfs", &options,
                          MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (mount < 0)
        return mount;
    int error = clone_masks(init, mount);
    sys_close(mount);
    return error;
}

/* Covers a place. The first use of a mask attaches it; from then on it can be cloned. */
static int cover(struct init *init, int place, bool directory)
{
    int mask = directory ? init->mask_directory : init->mask_file;
    if (!init->masks_in_use[directory]) {
        init->masks_in_use[directory] = true;
        return sys_move_mount(mask, place);
    }
    int clone = sys_open_tree(mask, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (clone < 0)
        return clone;
    int error = sys_move_mount(clone, place);
    sys_close(clone);
    return error;
}

int op_mask_path(struct init *init, const struct record *record)
{
    struct statx facts;
    int place = resolve_place(init, text(record, MASK_PATH_PATH), 0, IN_ROOT);
    if (place == -ENOENT || place == -ENOTDIR)
        return 0;
    if (place < 0)
        return place;
    int error = init->mask_file < 0 ? make_masks(init) : 0;
    if (!error)
        error = facts_of(place, &facts);
    if (!error)
        error = cover(init, place, (facts.mode & S_IFMT) == S_IFDIR);
    sys_close(place);
    return error;
}

int op_readonly_path(struct init *init, const struct record *record)
{
    struct mount_attr read_only = {.set = MOUNT_ATTR_RDONLY};
    int place = resolve_place(init, text(record, READONLY_PATH_PATH), 0, IN_ROOT);
    if (place == -ENOENT || place == -ENOTDIR)
        return 0;
    if (place < 0)
        return place;
    int clone = sys_open_tree(place, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    int error = clone;
    if (clone >= 0 && !(error = set_attributes(clone, read_only, true)))
        error = sys_move_mount(clone, place);
    if (clone >= 0)
        sys_close(clone);
    sys_close(place);
    return error;
}
