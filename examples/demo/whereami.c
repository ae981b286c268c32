/* Prints what a program finds inside its container. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Print the lines of a file that begin with one of the words. */
static void print_lines(const char *path, const char *const words[])
{
    char line[512];
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        printf("  %s cannot be read\n", path);
        return;
    }
    while (fgets(line, sizeof line, file) != NULL)
        for (int i = 0; words[i] != NULL; i++)
            if (strncmp(line, words[i], strlen(words[i])) == 0)
                printf("  %s", line);
    fclose(file);
}

int main(int argc, char **argv)
{
    const char *greeting = getenv("GREETING");
    struct passwd *user = getpwuid(getuid());
    struct utsname host;
    char directory[4096];

    if (uname(&host) != 0 || getcwd(directory, sizeof directory) == NULL) {
        perror("whereami");
        return 1;
    }
    printf("%s\n", greeting != NULL ? greeting : "Hello");
    printf("  kernel      %s %s\n", host.sysname, host.release);
    printf("  host name   %s\n", host.nodename);
    printf("  process     %d\n", (int)getpid());
    printf("  user        %d:%d (%s)\n", (int)getuid(), (int)getgid(),
           user != NULL ? user->pw_name : "no name");
    printf("  directory   %s\n", directory);
    if (argc > 1 && strcmp(argv[1], "--all") == 0) {
        print_lines("/etc/os-release", (const char *const[]){"PRETTY_NAME", NULL});
        print_lines("/proc/self/status",
                    (const char *const[]){"CapEff", "NoNewPrivs", "Seccomp:", NULL});
    }
    return 0;
}
