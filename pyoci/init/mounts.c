/*
 * Mounts, by descriptor: made or cloned where nobody sees them, then moved to a place that the
 * kernel has looked up inside the root. No mount is made by path (CVE-2021-30465).
 */
#include "mounts.h"

#include "report.h"
#include "resolve.h"
#include "slots.h"
#include "text.h"

int set_attributes(int mount, struct mount_attr attributes, bool recursive)
{
    /* The access-time settings are one value: all bits of the old one have to be cleared. */
    if ((attributes.set | attributes.clear) & MOUNT_ATTR__ATIME)
        attributes.clear |= MOUNT_ATTR__ATIME;
    return sys_mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes);
}

/* Adds what the file system says about an error: lines such as "e tmpfs: Bad value for 'size'"
 * (fsopen(2)). The last one counts. */
static void explain(struct init *init, int context)
{
    char line[200];
    for (;;) {
        long length = sys_read(context, line, sizeof line);
        if (length <= 2 || length > (long)sizeof line)
            return;
        if (line[0] != 'e')
            continue;
        init->detail_length = 0;
        detail_bytes(init, line + 2, (size_t)length - 2);
    }
}

/* Gives one option, "key" or "key=value", to a file system that is being made. */
static int set_option(struct init *init, int context, const char *option)
{
    char key[128];
    size_t length = 0, end = 0;
    while (option[end] && option[end] != '=')
        end++;
    detail(init, option);
    if (!append(key, sizeof key, &length, option, end))
        return -ENAMETOOLONG;
    int error = option[end] ? sys_fsconfig(context, FSCONFIG_SET_STRING, key, option + end + 1)
                            : sys_fsconfig(context, FSCONFIG_SET_FLAG, key, NULL);
    if (!error)
        init->detail_length = 0;
    return error;
}

static int configure(struct init *init, int context, const char *source, const struct field *options)
{
    uint32_t offset = 0;
    const char *option;
    int error = *source ? sys_fsconfig(context, FSCONFIG_SET_STRING, "source", source) : 0;
    while (!error && (option = list_next(options, &offset)))
        error = set_option(init, context, option);
    return error ? error : sys_fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL);
}

int new_mount(struct init *init, const char *type, const char *source, const struct field *options,
              unsigned attributes)
{
    int context = sys_fsopen(type, FSOPEN_CLOEXEC);
    if (context < 0)
        return context;
    int mount = configure(init, context, source, options);
    if (!mount)
        mount = sys_fsmount(context, FSMOUNT_CLOEXEC, attributes);
    if (mount < 0)
        explain(init, context);
    sys_close(context);
    return mount;
}

int op_new_mount(struct init *init, const struct record *record)
{
    int mount = new_mount(init, text(record, NEW_MOUNT_TYPE), text(record, NEW_MOUNT_SOURCE),
                          &record->fields[NEW_MOUNT_OPTIONS], (unsigned)number(record, NEW_MOUNT_ATTRIBUTES));
    return slot_set(init, record, NEW_MOUNT_SLOT, mount);
}

int op_mount_attributes(struct init *init, const struct record *record)
{
    (void)init;
    int mount = slot_get(record, MOUNT_ATTRIBUTES_SLOT);
    if (mount < 0)
        return mount;
    struct mount_attr attributes = {
        .set = number(record, MOUNT_ATTRIBUTES_SET),
        .clear = number(record, MOUNT_ATTRIBUTES_CLEAR),
        .propagation = number(record, MOUNT_ATTRIBUTES_PROPAGATION),
    };
    if (has_slot(record, MOUNT_ATTRIBUTES_USER_NS)) {
        int user_namespace = slot_get(record, MOUNT_ATTRIBUTES_USER_NS);
        if (user_namespace < 0)
            return user_namespace;
        attributes.user_ns = (uint64_t)user_namespace;
    }
    return set_attributes(mount, attributes, number(record, MOUNT_ATTRIBUTES_RECURSIVE));
}

/* The root of a new mount takes the mode of the directory it is going to cover, if there is one. */
static int take_mode(struct init *init, int mount, const char *target)
{
    struct statx facts;
    int covered = resolve_place(init, target, O_DIRECTORY, IN_ROOT);
    if (covered < 0)
        return 0;
    int error = facts_of(covered, &facts);
    sys_close(covered);
    int root = error ? error : sys_openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (root < 0)
        return root;
    error = sys_fchmod(root, facts.mode & 07777);
    sys_close(root);
    return error;
}

/* Says whether a mount may be attached at a place. */
static int check_target(struct init *init, int target, const struct record *record)
{
    struct statx facts;
    uint64_t policy = number(record, ATTACH_MOUNT_POLICY);
    int error = facts_of(target, &facts);
    if (error)
        return error;
    bool is_directory = (facts.mode & S_IFMT) == S_IFDIR;
    if (is_directory != (number(record, ATTACH_MOUNT_KIND) == TARGET_DIRECTORY))
        return -ENOTDIR;
    if (!(policy & INSIDE_PROC) && on_file_system(target, PROC_SUPER_MAGIC)) {
        detail(init, "the place is inside procfs");
        return -EPERM;
    }
    return 0;
}

int op_attach_mount(struct init *init, const struct record *record)
{
    uint64_t policy = number(record, ATTACH_MOUNT_POLICY);
    const char *path = text(record, ATTACH_MOUNT_TARGET);
    int mount = slot_get(record, ATTACH_MOUNT_SLOT);
    int error = mount < 0 ? mount : 0;
    if (!error && policy & COVERED_MODE)
        error = take_mode(init, mount, path);
    if (error)
        return error;
    int target = resolve_target(init, path, (int)number(record, ATTACH_MOUNT_KIND),
                                policy & NOFOLLOW_TARGET ? O_NOFOLLOW : 0,
                                policy & REAL_DIRECTORY ? IN_ROOT_REAL : IN_ROOT);
    if (target < 0) {
        detail(init, "the place to mount it");
        return target;
    }
    error = check_target(init, target, record);
    if (!error)
        error = sys_move_mount(mount, target);
    sys_close(target);
    return error;
}

int op_remount(struct init *init, const struct record *record)
{
    int mount = resolve_place(init, text(record, REMOUNT_TARGET), 0, IN_ROOT);
    if (mount < 0)
        return mount;
    struct mount_attr attributes = {
        .set = number(record, REMOUNT_SET),
        .clear = number(record, REMOUNT_CLEAR),
        .propagation = number(record, REMOUNT_PROPAGATION),
    };
    int error = set_attributes(mount, attributes, number(record, REMOUNT_RECURSIVE));
    if (error == -EINVAL)
        detail(init, "nothing is mounted there, or an option is not known");
    sys_close(mount);
    return error;
}

int op_propagation(struct init *init, const struct record *record)
{
    (void)init;
    struct mount_attr attributes = {.propagation = number(record, PROPAGATION_FLAGS)};
    unsigned flags = number(record, PROPAGATION_RECURSIVE) ? AT_RECURSIVE : 0;
    return sys_mount_setattr(AT_FDCWD, text(record, PROPAGATION_PATH), flags, &attributes);
}
