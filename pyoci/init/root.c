/* The container's root: attached, entered, and from then on all there is. */
#include "mountinfo.h"
#include "mounts.h"
#include "report.h"
#include "resolve.h"
#include "slots.h"
#include "text.h"

static void set_root(struct init *init, int root)
{
    if (init->root >= 0)
        sys_close(init->root);
    init->root = root;
}

/* The clone of the rootfs becomes a mount of this namespace where the bundle has it: hooks find the
 * container's mounts there. From here on the paths of the container are below it. A user namespace's
 * root may not be allowed to go there, and has no hooks that could: then it lies on "/". */
int op_attach_root(struct init *init, const struct record *record)
{
    int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    int place = sys_openat(AT_FDCWD, text(record, ATTACH_ROOT_PATH), flags, 0);
    if (place == -EACCES)
        place = sys_openat(AT_FDCWD, "/", flags, 0);
    if (place < 0)
        return place;
    int tree = slot_take(record, ATTACH_ROOT_SLOT);
    int error = tree < 0 ? tree : sys_move_mount(tree, place);
    sys_close(place);
    if (!error)
        set_root(init, tree);
    return error;
}

int op_use_root(struct init *init, const struct record *record)
{
    int root = keep(init, sys_openat(AT_FDCWD, text(record, USE_ROOT_PATH), O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
    if (root < 0)
        return root;
    set_root(init, root);
    return 0;
}

/* "/" and "." have to be the root that was meant: the same directory of the same mount. */
static int check_root(struct init *init)
{
    static const char *const places[] = {"/", "."};
    struct statx wanted, found;
    int error = facts_of(init->root, &wanted);
    for (unsigned i = 0; !error && i < 2; i++) {
        error = sys_statx(AT_FDCWD, places[i], 0, STATX_BASIC_STATS | STATX_MNT_ID, &found);
        if (!error && (found.ino != wanted.ino || found.mount_id != wanted.mount_id)) {
            detail(init, "the root is not the one that was entered");
            error = -EXDEV;
        }
    }
    return error;
}

/* pivot_root(2), "pivot_root(".", ".")": the old root lies on the new one and is taken off again. */
int op_pivot_root(struct init *init, const struct record *record)
{
    (void)record;
    int error = sys_fchdir(init->root);
    if (!error)
        error = sys_pivot_root(".", ".");
    if (!error)
        error = sys_umount2(".", MNT_DETACH);
    if (!error)
        error = sys_chdir("/");
    return error ? error : check_root(init);
}

static int enter_by_chroot(int root)
{
    int error = sys_fchdir(root);
    if (!error)
        error = sys_chroot(".");
    if (!error)
        error = sys_chdir("/");
    return error;
}

/* Takes a procfs or sysfs of the host away: beneath a chroot it would still be "fully visible", and
 * let a user namespace mount another without what is masked here. */
static int detach(void *context, const struct mountinfo *mount)
{
    const char *root = context;
    size_t length = strlen(root);
    bool inside = starts_with(mount->place, root) && (!mount->place[length] || mount->place[length] == '/');
    if (inside || !(same_text(mount->type, "proc") || same_text(mount->type, "sysfs")))
        return 0;
    int error = sys_umount2(mount->place, MNT_DETACH | UMOUNT_NOFOLLOW);
    /* Gone with the one it was mounted on, or out of reach below another mount. */
    return error == -EINVAL || error == -ENOENT ? 0 : error;
}

int op_move_root(struct init *init, const struct record *record)
{
    (void)record;
    char path[PATH_MAX];
    int error = sys_fchdir(init->root);
    long length = error ? error : sys_getcwd(path, sizeof path);
    if (length < 0)
        return (int)length;
    error = each_mount(detach, path);
    if (error) {
        detail(init, "detaching the host's procfs and sysfs");
        return error;
    }
    int top = sys_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (top < 0)
        return top;
    error = sys_move_mount(init->root, top);
    sys_close(top);
    if (!error)
        error = enter_by_chroot(init->root);
    return error ? error : check_root(init);
}

/* Without a slot it is the root that is in use. */
int op_change_root(struct init *init, const struct record *record)
{
    if (has_slot(record, CHANGE_ROOT_SLOT)) {
        int root = slot_take(record, CHANGE_ROOT_SLOT);
        if (root < 0)
            return root;
        set_root(init, root);
    }
    int error = enter_by_chroot(init->root);
    return error ? error : check_root(init);
}

int op_root_propagation(struct init *init, const struct record *record)
{
    struct mount_attr attributes = {.propagation = number(record, ROOT_PROPAGATION_FLAGS)};
    return set_attributes(init->root, attributes, number(record, ROOT_PROPAGATION_RECURSIVE));
}

int op_root_readonly(struct init *init, const struct record *record)
{
    (void)record;
    struct mount_attr attributes = {.set = MOUNT_ATTR_RDONLY};
    return set_attributes(init->root, attributes, false);
}
