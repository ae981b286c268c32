/* How the container is called and how it reaches itself: UTS names and the loopback interface. */
#include "init.h"

int op_hostname(struct init *init, const struct record *record)
{
    (void)init;
    return sys_sethostname(text(record, HOSTNAME_NAME), record->fields[HOSTNAME_NAME].length);
}

int op_domainname(struct init *init, const struct record *record)
{
    (void)init;
    return sys_setdomainname(text(record, DOMAINNAME_NAME), record->fields[DOMAINNAME_NAME].length);
}

/* The kernel adds 127.0.0.1 and ::1 itself when lo goes up. Any socket does for asking: AF_UNIX is
 * there on every kernel. */
int op_loopback_up(struct init *init, const struct record *record)
{
    (void)init;
    (void)record;
    struct interface_request request = {.name = "lo"};
    int socket = sys_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC);
    if (socket < 0)
        return socket;
    int error = sys_ioctl(socket, SIOCGIFFLAGS, &request);
    if (!error && !(request.flags & IFF_UP)) {
        request.flags |= IFF_UP;
        error = sys_ioctl(socket, SIOCSIFFLAGS, &request);
    }
    sys_close(socket);
    return error;
}
