/* The user's program: where it starts, what it is called, and its execution. */
#include "passwd.h"
#include "report.h"
#include "resolve.h"
#include "text.h"
#include "vectors.h"

#define DEFAULT_PATH "/bin:/usr/bin" /* execvp(3), when the environment names none */
#define MOST_PASSWD_BYTES (1 << 20)
#define MOST_PRESERVED (1 << 20)

/* Kept from the lookup to the execution. */
static char program_path[PATH_MAX];
static char home_variable[sizeof "HOME=" + HOME_SIZE];

/* The directory has to be inside the root: one that is reached by an open descriptor of the host's
 * is not, and the kernel's name for it says so (CVE-2024-21626). */
int op_change_directory(struct init *init, const struct record *record)
{
    char cwd[PATH_MAX];
    int error = sys_chdir(text(record, CHANGE_DIRECTORY_PATH));
    if (error == -EACCES && number(record, CHANGE_DIRECTORY_TOLERANT))
        return 0;
    if (error)
        return error;
    long length = sys_getcwd(cwd, sizeof cwd);
    if (length < 0)
        return (int)length;
    if (cwd[0] != '/') {
        detail(init, "the directory is outside the container's root");
        return -EPERM;
    }
    return 0;
}

int op_program(struct init *init, const struct record *record)
{
    init->arguments = record->fields[PROGRAM_ARGS];
    init->environment = record->fields[PROGRAM_ENV];
    return init->arguments.number ? 0 : -EINVAL;
}

static const char *variable(const struct init *init, const char *name_and_equals)
{
    uint32_t offset = 0;
    const char *entry;
    while ((entry = list_next(&init->environment, &offset)))
        if (starts_with(entry, name_and_equals))
            return entry + strlen(name_and_equals);
    return NULL;
}

/* Looks through the container's /etc/passwd. Whatever is there must neither hang nor grow. */
static void search_passwd(struct home_search *search)
{
    struct statx facts;
    char chunk[1024];
    int file = sys_openat(AT_FDCWD, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (file < 0)
        return;
    if (!facts_of(file, &facts) && (facts.mode & S_IFMT) == S_IFREG)
        for (long total = 0; total < MOST_PASSWD_BYTES && !search->found;) {
            long count = sys_read(file, chunk, sizeof chunk);
            if (count <= 0) {
                home_end(search);
                break;
            }
            home_feed(search, chunk, (size_t)count);
            total += count;
        }
    sys_close(file);
}

int op_home_from_passwd(struct init *init, const struct record *record)
{
    struct home_search search;
    size_t length = 0;
    if (variable(init, "HOME="))
        return 0;
    home_begin(&search, (uint32_t)number(record, HOME_FROM_PASSWD_UID));
    search_passwd(&search);
    const char *home = search.found ? search.home : "/";
    append(home_variable, sizeof home_variable, &length, "HOME=", 5);
    append(home_variable, sizeof home_variable, &length, home, strlen(home));
    return 0;
}

/* Says whether the program's user may execute a path. Filters of an outer container may not know
 * faccessat2 (Linux 5.8): the older call asks for the real user, who is the same by now. */
static int may_execute(const char *path)
{
    struct statx facts;
    int error = sys_statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &facts);
    if (error)
        return error;
    if ((facts.mode & S_IFMT) == S_IFDIR)
        return -EISDIR;
    if ((facts.mode & S_IFMT) != S_IFREG)
        return -EACCES;
    error = sys_faccessat2(AT_FDCWD, path, X_OK, AT_EACCESS);
    return error == -ENOSYS || error == -EPERM ? sys_faccessat(AT_FDCWD, path, X_OK) : error;
}

/* Tries "directory/name"; an empty directory is the current one. */
static int try_directory(const char *directory, size_t directory_length, const char *name)
{
    size_t length = 0;
    program_path[0] = 0;
    if (!append(program_path, sizeof program_path, &length, directory, directory_length) ||
        (directory_length && !append(program_path, sizeof program_path, &length, "/", 1)) ||
        !append(program_path, sizeof program_path, &length, name, strlen(name)))
        return -ENAMETOOLONG;
    return may_execute(program_path);
}

/* The first that can be executed. One that may not be is passed over and counts as not found, unlike
 * in execvp(3): other runtimes say so, and engines give the exit status 127 for it. */
static int search_path(const char *path, const char *name)
{
    for (const char *at = path;;) {
        size_t length = 0;
        while (at[length] && at[length] != ':')
            length++;
        if (!try_directory(at, length, name))
            return 0;
        if (!at[length])
            return -ENOENT;
        at += length + 1;
    }
}

int op_find_program(struct init *init, const struct record *record)
{
    (void)record;
    uint32_t offset = 0;
    const char *name = list_next(&init->arguments, &offset);
    if (!name || !*name)
        return -ENOENT;
    for (const char *at = name; *at; at++)
        if (*at == '/')
            return try_directory("", 0, name);
    const char *path = variable(init, "PATH=");
    return search_path(path ? path : DEFAULT_PATH, name);
}

/* Everything the init has opened ends with exec; what the caller hands on does not. */
int op_close_files(struct init *init, const struct record *record)
{
    (void)init;
    uint64_t first = number(record, CLOSE_FILES_FIRST);
    if (first < 3 || first > MOST_PRESERVED)
        return -EINVAL;
    for (int file = 3; file < (int)first; file++)
        if (sys_fcntl(file, F_GETFD, 0) >= 0)
            sys_fcntl(file, F_SETFD, 0);
    return sys_close_range((unsigned)first, ~0U, CLOSE_RANGE_CLOEXEC);
}

int op_exec(struct init *init, const struct record *record)
{
    (void)record;
    /* The arguments and NULL, the environment, HOME and NULL. */
    char **arguments = new_vector(init->arguments.number + init->environment.number + 3);
    if (!arguments)
        return -ENOMEM;
    char **environment = point_at(arguments, &init->arguments) + 1;
    char **end = point_at(environment, &init->environment);
    if (home_variable[0])
        *end = home_variable;
    sys_umask(init->umask);
    return sys_execve(program_path[0] ? program_path : arguments[0], arguments, environment);
}
