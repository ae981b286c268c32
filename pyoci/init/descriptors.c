/* Descriptors of the host: mounts, files and sockets, opened in the namespaces of the caller. */
#include "descriptors.h"

#include "report.h"
#include "slots.h"
#include "text.h"

int op_open_tree(struct init *init, const struct record *record)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    if (number(record, OPEN_TREE_RECURSIVE))
        flags |= AT_RECURSIVE;
    if (number(record, OPEN_TREE_NOFOLLOW))
        flags |= AT_SYMLINK_NOFOLLOW;
    return slot_set(init, record, OPEN_TREE_SLOT,
                    sys_open_tree(AT_FDCWD, text(record, OPEN_TREE_PATH), flags));
}

int op_open_file(struct init *init, const struct record *record)
{
    int flags = (int)number(record, OPEN_FILE_FLAGS);
    bool directory = flags & PLAN_O_DIRECTORY, nofollow = flags & PLAN_O_NOFOLLOW;
    flags &= ~(PLAN_O_DIRECTORY | PLAN_O_NOFOLLOW);
    flags |= (directory ? O_DIRECTORY : 0) | (nofollow ? O_NOFOLLOW : 0) | O_CLOEXEC | O_NOCTTY;
    return slot_set(init, record, OPEN_FILE_SLOT,
                    sys_openat(AT_FDCWD, text(record, OPEN_FILE_PATH), flags, 0));
}

int op_inherit_file(struct init *init, const struct record *record)
{
    int given = (int)number(record, INHERIT_FILE_NUMBER);
    return slot_set(init, record, INHERIT_FILE_SLOT,
                    sys_fcntl(given, F_DUPFD_CLOEXEC, init->lowest));
}

/* Connects to a path that is too long for an address, by way of its directory. */
static int connect_long(int socket, const char *path)
{
    struct socket_address address = {.family = AF_UNIX};
    char copy[PATH_MAX], digits[NUMBER_SIZE];
    size_t copied = 0, length = 0;
    const char *name = path;
    for (const char *at = path; *at; at++)
        if (*at == '/')
            name = at + 1;
    if (!append(copy, sizeof copy, &copied, path, (size_t)(name - path)))
        return -ENAMETOOLONG;
    int directory = sys_openat(AT_FDCWD, copied ? copy : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (directory < 0)
        return directory;
    const char *number = decimal(directory, digits);
    int error = -ENAMETOOLONG;
    if (append(address.path, sizeof address.path, &length, "/proc/self/fd/", 14) &&
        append(address.path, sizeof address.path, &length, number, strlen(number)) &&
        append(address.path, sizeof address.path, &length, "/", 1) &&
        append(address.path, sizeof address.path, &length, name, strlen(name)))
        error = sys_connect(socket, &address, sizeof address);
    sys_close(directory);
    return error;
}

int op_connect_unix(struct init *init, const struct record *record)
{
    const char *path = text(record, CONNECT_UNIX_PATH);
    struct socket_address address = {.family = AF_UNIX};
    size_t length = 0;
    int socket = sys_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC);
    if (socket < 0)
        return socket;
    int error = append(address.path, sizeof address.path, &length, path, strlen(path))
                    ? sys_connect(socket, &address, sizeof address)
                    : connect_long(socket, path);
    return slot_set(init, record, CONNECT_UNIX_SLOT, error ? error : socket);
}

int op_write_file(struct init *init, const struct record *record)
{
    (void)init;
    const struct field *data = &record->fields[WRITE_FILE_DATA];
    int file = sys_openat(AT_FDCWD, text(record, WRITE_FILE_PATH), O_WRONLY | O_NOCTTY | O_CLOEXEC, 0);
    if (file < 0)
        return file;
    long written = sys_write(file, data->bytes, data->length);
    sys_close(file);
    if (written < 0)
        return (int)written;
    return written == (long)data->length ? 0 : -EIO;
}

int send_descriptor(int socket, int descriptor, const char *text, size_t length)
{
    struct iovec data = {text, length};
    struct rights rights = {
        .length = sizeof rights - sizeof rights.pad,
        .level = SOL_SOCKET,
        .type = SCM_RIGHTS,
        .descriptor = descriptor,
    };
    struct message_header message = {
        .iov = &data,
        .iov_length = 1,
        .control = &rights,
        .control_length = sizeof rights,
    };
    for (;;) {
        long sent = sys_sendmsg(socket, &message, MSG_NOSIGNAL);
        if (sent != -EINTR)
            return error_of(sent);
    }
}
