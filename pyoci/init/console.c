/* The terminal: a pty of the container's own devpts, its master sent to the caller. */
#include "descriptors.h"
#include "report.h"
#include "resolve.h"
#include "slots.h"
#include "text.h"

#define PTMX_MAJOR 5
#define PTMX_MINOR 2
#define NULL_MAJOR 1
#define NULL_MINOR 3
#define KEEP_ID (~0U)

/* Opens the ptmx of the devpts at /dev/pts; neither may be something else, or elsewhere, by way of a
 * symlink or another mount. */
static int open_master(struct init *init)
{
    struct statx facts;
    int devpts = resolve_place(init, "/dev/pts", O_DIRECTORY, IN_ROOT);
    if (devpts < 0)
        return devpts;
    if (!on_file_system(devpts, DEVPTS_SUPER_MAGIC)) {
        detail(init, "/dev/pts is not a devpts");
        return -ENOENT;
    }
    int master = resolve(devpts, "ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, BELOW_SAME_MOUNT);
    sys_close(devpts);
    if (master < 0)
        return master;
    if (facts_of(master, &facts) || (facts.mode & S_IFMT) != S_IFCHR || facts.rdev_major != PTMX_MAJOR ||
        facts.rdev_minor != PTMX_MINOR) {
        detail(init, "/dev/pts/ptmx is not a terminal multiplexer");
        return -ENODEV;
    }
    return master;
}

/* Opens the other end by way of the master: what /dev/pts/N names may be something else
 * (CVE-2025-52565). */
static int open_peer(int master, unsigned *number)
{
    static const int unlocked = 0;
    int error = sys_ioctl(master, TIOCSPTLCK, &unlocked);
    if (!error)
        error = sys_ioctl(master, TIOCGPTN, number);
    return error ? error : sys_ioctl(master, TIOCGPTPEER, (const void *)(O_RDWR | O_NOCTTY | O_CLOEXEC));
}

static int dress(int peer, const struct record *record)
{
    struct window_size size = {
        .rows = (uint16_t)number(record, OPEN_CONSOLE_HEIGHT),
        .columns = (uint16_t)number(record, OPEN_CONSOLE_WIDTH),
    };
    unsigned uid = (unsigned)number(record, OPEN_CONSOLE_UID), gid = (unsigned)number(record, OPEN_CONSOLE_GID);
    int error = 0;
    if (size.rows || size.columns)
        error = sys_ioctl(peer, TIOCSWINSZ, &size);
    if (!error && (uid != KEEP_ID || gid != KEEP_ID))
        error = sys_fchownat(peer, "", uid, gid, AT_EMPTY_PATH);
    return error;
}

static int send_master(int socket, int master, unsigned pty)
{
    char name[32], digits[NUMBER_SIZE];
    size_t length = 0;
    const char *number = decimal(pty, digits);
    append(name, sizeof name, &length, "/dev/pts/", 9);
    append(name, sizeof name, &length, number, strlen(number));
    return send_descriptor(socket, master, name, length);
}

/* Shows the terminal at /dev/console. */
static int mount_console(struct init *init, int peer)
{
    struct statx facts;
    int place = resolve_target(init, "/dev/console", TARGET_FILE, O_NOFOLLOW, IN_ROOT);
    if (place < 0)
        return place;
    int error = facts_of(place, &facts);
    if (!error && (facts.mode & S_IFMT) == S_IFLNK)
        error = -ELOOP;
    int mount = error ? error : sys_open_tree(peer, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (mount >= 0) {
        error = sys_move_mount(mount, place);
        sys_close(mount);
    } else {
        error = mount;
    }
    sys_close(place);
    if (error)
        detail(init, "mounting it at /dev/console");
    return error;
}

int op_open_console(struct init *init, const struct record *record)
{
    unsigned pty;
    int socket = slot_get(record, OPEN_CONSOLE_SOCKET);
    int master = socket < 0 ? socket : open_master(init);
    if (master < 0)
        return master;
    int peer = open_peer(master, &pty);
    if (peer < 0)
        return peer;
    int error = dress(peer, record);
    if (!error && number(record, OPEN_CONSOLE_MOUNT))
        error = mount_console(init, peer);
    if (!error && (error = send_master(socket, master, pty)))
        detail(init, "sending it over the console socket");
    sys_close(master);
    return slot_set(init, record, OPEN_CONSOLE_SLOT, error ? error : peer);
}

int op_use_console(struct init *init, const struct record *record)
{
    (void)init;
    int peer = slot_get(record, USE_CONSOLE_SLOT);
    int error = peer < 0 ? peer : sys_ioctl(peer, TIOCSCTTY, NULL);
    for (int stream = 0; !error && stream < 3; stream++)
        error = error_of(sys_dup3(peer, stream, 0));
    return error;
}

/* Lets the container's user open its standard streams again by name (/dev/stdout). The host's null
 * device stays everybody's, and what cannot be given away is left alone. */
int op_own_stdio(struct init *init, const struct record *record)
{
    (void)init;
    unsigned uid = (unsigned)number(record, OWN_STDIO_UID);
    for (int stream = 0; stream < 3; stream++) {
        struct statx facts;
        if (facts_of(stream, &facts) || facts.uid == uid)
            continue;
        if ((facts.mode & S_IFMT) == S_IFCHR && facts.rdev_major == NULL_MAJOR && facts.rdev_minor == NULL_MINOR)
            continue;
        int error = sys_fchownat(stream, "", uid, KEEP_ID, AT_EMPTY_PATH);
        if (error && error != -EINVAL && error != -EPERM && error != -EROFS)
            return error;
    }
    return 0;
}
