/* Exchanges two names for one another for ever: exchange LEFT RIGHT (renameat2(2)). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    while (!renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE))
        ;
    perror("exchange");
    return 1;
}
