/* Who the process is and what it may do: ids, groups, capabilities, its keyring. */
#include "report.h"

#define LAST_CAPABILITY 63
#define NO_ID (~0U) /* for setresuid(2): as it is */
#define LONGEST_DESCRIPTION 1280 /* of a keyring: four fields and a name that has an id in it */

/* Changes to a user and group for good. */
static int change_ids(unsigned uid, unsigned gid)
{
    if (uid == NO_ID || gid == NO_ID)
        return -EINVAL;
    int error = sys_setresgid(gid, gid, gid);
    return error ? error : sys_setresuid(uid, uid, uid);
}

/* A new or joined user namespace's root. Its groups are dropped where that is allowed: with
 * setgroups denied they cannot be (user_namespaces(7)). */
int op_become_root(struct init *init, const struct record *record)
{
    (void)init;
    unsigned uid = (unsigned)number(record, BECOME_ROOT_UID), gid = (unsigned)number(record, BECOME_ROOT_GID);
    int error = sys_setgroups(0, NULL);
    if (error && error != -EPERM)
        return error;
    return change_ids(uid, gid);
}

int op_set_user(struct init *init, const struct record *record)
{
    unsigned uid = (unsigned)number(record, SET_USER_UID), gid = (unsigned)number(record, SET_USER_GID);
    const struct field *groups = &record->fields[SET_USER_GROUPS];
    int error = 0;
    if (groups->length % sizeof(uint32_t))
        return -EINVAL;
    if (!number(record, SET_USER_KEEP_GROUPS)) {
        error = sys_setgroups(groups->length / sizeof(uint32_t), groups->bytes);
        if (error) {
            detail(init, "setting the supplementary groups");
            return error;
        }
    }
    /* The capabilities of the plan are taken from those that are left. */
    error = sys_prctl(PR_SET_KEEPCAPS, 1, 0);
    return error ? error : change_ids(uid, gid);
}

int op_bounding_set(struct init *init, const struct record *record)
{
    uint64_t wanted = number(record, BOUNDING_SET_CAPABILITIES);
    for (unsigned capability = 0; capability <= LAST_CAPABILITY; capability++) {
        int held = sys_prctl(PR_CAPBSET_READ, capability, 0);
        if (held < 0)
            return 0; /* The kernel knows no more. */
        if (!held || wanted >> capability & 1)
            continue;
        int error = sys_prctl(PR_CAPBSET_DROP, capability, 0);
        if (error) {
            detail(init, "capability ");
            detail_number(init, capability);
            return error;
        }
    }
    return 0;
}

static int raise_ambient(uint64_t wanted)
{
    int error = (int)CALL5(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned capability = 0; !error && capability <= LAST_CAPABILITY; capability++)
        if (wanted >> capability & 1)
            error = (int)CALL5(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
    return error;
}

int op_capabilities(struct init *init, const struct record *record)
{
    struct capability_header header = {.version = CAPABILITY_VERSION_3};
    uint64_t effective = number(record, CAPABILITIES_EFFECTIVE);
    uint64_t permitted = number(record, CAPABILITIES_PERMITTED);
    uint64_t inheritable = number(record, CAPABILITIES_INHERITABLE);
    struct capability_data data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
    };
    int error = sys_capset(&header, data);
    if (error)
        return error;
    error = raise_ambient(number(record, CAPABILITIES_AMBIENT));
    if (error)
        detail(init, "ambient");
    return error;
}

int op_no_new_privileges(struct init *init, const struct record *record)
{
    (void)init;
    (void)record;
    return sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0);
}

/* Gives the permissions of a key: the last but one of "type;uid;gid;perm;description". */
static long permissions_of(long key)
{
    char text[LONGEST_DESCRIPTION];
    long size = sys_keyctl(KEYCTL_DESCRIBE, (unsigned long)key, (unsigned long)text, sizeof text);
    if (size < 0)
        return size;
    if (size > (long)sizeof text)
        return -ENAMETOOLONG; /* Then the kernel has written nothing (keyctl(2)). */
    unsigned fields = 0;
    long permissions = 0;
    for (const char *at = text; at < text + size && *at && fields < 4; at++) {
        if (*at == ';')
            fields++;
        else if (fields == 3)
            permissions = permissions << 4 | (*at <= '9' ? *at - '0' : (*at | 0x20) - 'a' + 10);
    }
    return fields == 4 ? permissions : -EINVAL;
}

/* A session keyring of the container's own, which the user may search: an exec joins it by name.
 * Kernels without keyrings are no obstacle. */
int op_session_keyring(struct init *init, const struct record *record)
{
    const char *name = text(record, SESSION_KEYRING_NAME);
    long key = sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, (unsigned long)name, 0, 0);
    if (key == -ENOSYS)
        return 0;
    if (key < 0) {
        detail(init, "joining ");
        detail(init, name);
        return (int)key;
    }
    long permissions = permissions_of(key);
    if (permissions < 0 || permissions & KEY_USR_SEARCH)
        return error_of(permissions);
    return error_of(sys_keyctl(KEYCTL_SETPERM, (unsigned long)key, (unsigned long)(permissions | KEY_USR_SEARCH), 0));
}
