/* Tries to type "x\n" into the terminal that is its standard input (ioctl_tty(2), TIOCSTI). */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>

int main(void)
{
    int failed = 0;
    puts(open("/dev/tty", O_RDWR) < 0 ? "no controlling terminal" : "a controlling terminal");
    for (const char *at = "x\n"; *at; at++)
        failed |= ioctl(0, TIOCSTI, at);
    puts(failed ? "cannot type" : "TYPED");
    return 0;
}
