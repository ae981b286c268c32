/* The pyoci command: starts the interpreter as fast as it can be started.
 *
 * Engines run pyoci five times per container. Python's own ways of starting a program process
 * site-packages first, which takes longer than most of the commands; this program finds, from its
 * own place alone (PATH, HOME and PYTHON* mean nothing here), the interpreter and the directory that
 * holds the package, and executes
 *
 *     INTERPRETER -I -S -X utf8 -c BOOT DIRECTORY ARGUMENT...
 *
 * -I: no PYTHON* variables, no user site, nothing from the working directory. -S: no site module;
 * pyoci.cli.site_packages brings it in when a library is needed. -X utf8: paths and JSON are UTF-8
 * whatever the locale.
 *
 * The directory goes to the end of sys.path: nothing beside the package hides a standard module.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>

#include "syscalls.h"

#define LONGEST_PATH 4096
#define OLDEST_MINOR 11
#define NEWEST_MINOR 40
#define AUXV_EXECFN 31 /* AT_EXECFN, getauxval(3) */

/* The file is that of pyoci/modules.py, which says what it is for. */
static const char BOOT[] =
    "import sys\n"
    "directory = sys.argv[1]\n"
    "sys.path.append(directory)\n"
    "try:\n"
    "    from _frozen_importlib_external import MAGIC_NUMBER\n"
    "    from marshal import loads\n"
    "    from posix import O_CLOEXEC, open, read\n"
    "    cache = f'{directory}/pyoci/__pycache__/modules.{sys.implementation.cache_tag}.pyc'\n"
    "    file = open(cache, O_CLOEXEC)\n"
    "    data = read(file, 16384)\n"
    "    if data[:8] != MAGIC_NUMBER + bytes(4): raise ImportError\n"
    "    modules = sys.modules['pyoci.modules'] = type(sys)('pyoci.modules')\n"
    "    exec(loads(data[16:]), modules.__dict__)\n"
    "    modules.install(directory, file, data)\n"
    "except Exception:\n"
    "    sys.modules.pop('pyoci.modules', None)\n"
    "from pyoci.cli.main import command\n"
    "command(sys.argv[2:])";

/* For an installation of another shape: the site module knows where the package is. */
static const char BOOT_WITH_SITE[] =
    "import sys\n"
    "try:\n"
    "    from pyoci.cli.main import command\n"
    "except ImportError:\n"
    "    sys.exit(f'pyoci: {sys.executable} does not find the package pyoci"
    " (install it again, for this interpreter)')\n"
    "command(sys.argv[1:])";

struct caller {
    long argc;
    char **argv;
    char **envp;
};

/* A path that is too long is marked so, and never used. */
struct path {
    char bytes[LONGEST_PATH];
    size_t length;
    bool too_long;
};

static void append(struct path *path, const char *text)
{
    for (; *text; text++) {
        if (path->length == LONGEST_PATH - 1) {
            path->too_long = true;
            return;
        }
        path->bytes[path->length++] = *text;
    }
    path->bytes[path->length] = '\0';
}

static void cut(struct path *path, size_t length)
{
    path->length = length;
    path->bytes[length] = '\0';
    path->too_long = false;
}

/* Removes the last component; leaves "" of "/x", whose parent is the root. */
static void to_parent(struct path *path)
{
    size_t length = path->length;
    while (length && path->bytes[length - 1] != '/')
        length--;
    cut(path, length ? length - 1 : 0);
}

static void append_minor(struct path *path, int minor)
{
    char digits[3] = {(char)('0' + minor / 10), (char)('0' + minor % 10), '\0'};
    append(path, digits);
}

static bool exists(const struct path *path)
{
    if (path->too_long)
        return false;
    return call4(SYS_faccessat, AT_FDCWD, (long)path->bytes, 0, 0) == 0;
}

static bool exists_below(struct path *directory, const char *name)
{
    size_t length = directory->length;
    append(directory, name);
    bool found = exists(directory);
    cut(directory, length);
    return found;
}

static size_t length_of(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

static void say(const char *text)
{
    call4(SYS_write, 2, (long)text, (long)length_of(text), 0);
}

/* Descriptors 0 to 2 are always something: otherwise the next file opened becomes a standard stream
 * of the container. */
static void open_missing_streams(void)
{
    for (int number = 0; number < 3; number++)
        if (call4(SYS_fcntl, number, F_GETFD, 0, 0) < 0)
            call4(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR, 0);
}

/* Executes an interpreter; returns when there is none at that path. */
static void execute(const struct caller *caller, const struct path *interpreter, bool site,
                    const char *directory)
{
    if (interpreter->too_long)
        return;
    const char *argv[caller->argc + 9];
    size_t count = 0;
    argv[count++] = interpreter->bytes;
    argv[count++] = "-I";
    if (!site)
        argv[count++] = "-S";
    argv[count++] = "-X";
    argv[count++] = "utf8";
    argv[count++] = "-c";
    argv[count++] = site ? BOOT_WITH_SITE : BOOT;
    if (!site)
        argv[count++] = directory;
    for (long index = 1; index < caller->argc; index++)
        argv[count++] = caller->argv[index];
    argv[count] = NULL;
    call4(SYS_execve, (long)interpreter->bytes, (long)argv, (long)caller->envp, 0);
}

/* Tries python3 or python3.MINOR (0: unversioned) below a directory. */
static void execute_from(const struct caller *caller, const char *bin, int minor, bool site,
                         const char *directory)
{
    struct path interpreter = {.length = 0};
    append(&interpreter, bin);
    append(&interpreter, "/python3");
    if (minor) {
        append(&interpreter, ".");
        append_minor(&interpreter, minor);
    }
    execute(caller, &interpreter, site, directory);
}

static void execute_any(const struct caller *caller, const char *bin, int minor, bool site,
                        const char *directory)
{
    execute_from(caller, bin, minor, site, directory);
    execute_from(caller, "/usr/bin", minor, site, directory);
    execute_from(caller, "/usr/local/bin", minor, site, directory);
}

/* PREFIX/{lib,lib64}/python3.N/{site,dist}-packages/pyoci. dist-packages is Debian's: the packages
 * below /usr/local are its own interpreter's, in /usr/bin. */
static void execute_installed(const struct caller *caller, const char *bin, struct path *prefix)
{
    static const char *const libraries[] = {"/lib", "/lib64"};
    size_t length = prefix->length;
    for (size_t index = 0; index < 2; index++) {
        append(prefix, libraries[index]);
        append(prefix, "/python3");
        size_t unversioned = prefix->length;
        for (int minor = NEWEST_MINOR; minor >= OLDEST_MINOR; minor--) {
            append(prefix, ".");
            append_minor(prefix, minor);
            if (exists(prefix)) {
                if (exists_below(prefix, "/site-packages/pyoci/cli/main.py")) {
                    append(prefix, "/site-packages");
                    execute_any(caller, bin, minor, false, prefix->bytes);
                } else if (exists_below(prefix, "/dist-packages/pyoci/cli/main.py")) {
                    append(prefix, "/dist-packages");
                    execute_any(caller, "/usr/bin", minor, false, prefix->bytes);
                }
            }
            cut(prefix, unversioned);
        }
        if (exists_below(prefix, "/dist-packages/pyoci/cli/main.py")) {
            append(prefix, "/dist-packages");
            execute_any(caller, bin, 0, false, prefix->bytes);
        }
        cut(prefix, length);
    }
}

/* CHECKOUT/.venv/bin/pyoci, and CHECKOUT/pyoci/launcher/pyoci. */
static void execute_checkout(const struct caller *caller, const char *bin, struct path *prefix)
{
    to_parent(prefix);
    if (exists_below(prefix, "/pyoci/cli/main.py") && exists_below(prefix, "/setup.cfg"))
        execute_any(caller, bin, 0, false, prefix->bytes);
}

/* Where this program is, links resolved. Without /proc, what it was called by. */
static void find_self(struct path *self, const struct caller *caller)
{
    long length = call4(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)self->bytes,
                        LONGEST_PATH - 1);
    if (length > 0) {
        cut(self, (size_t)length);
        return;
    }
    char **entry = caller->envp;
    while (*entry)
        entry++;
    for (unsigned long *aux = (unsigned long *)(entry + 1); aux[0]; aux += 2)
        if (aux[0] == AUXV_EXECFN)
            append(self, (const char *)aux[1]);
}

static int launch(const struct caller *caller)
{
    struct path bin = {.length = 0};
    struct path prefix = {.length = 0};

    open_missing_streams();
    find_self(&bin, caller);
    to_parent(&bin);
    append(&prefix, bin.bytes);
    to_parent(&prefix);
    execute_installed(caller, bin.bytes, &prefix);
    execute_checkout(caller, bin.bytes, &prefix);
    execute_any(caller, bin.bytes, 0, true, NULL);
    say("pyoci: no Python interpreter: neither beside ");
    say(bin.bytes);
    say("/pyoci nor in /usr/bin and /usr/local/bin (install python3, 3.11 or newer, and then pyoci "
        "again)\n");
    return 1;
}

#ifdef PYOCI_LAUNCHER_HAS_LIBC
int main(int argc, char **argv, char **envp)
{
    struct caller caller = {.argc = argc, .argv = argv, .envp = envp};
    return launch(&caller);
}
#else
/* Called by _start with the stack as the kernel left it. */
__attribute__((noreturn, used)) void enter(long *stack)
{
    struct caller caller = {.argc = stack[0], .argv = (char **)(stack + 1)};
    caller.envp = caller.argv + caller.argc + 1;
    call4(SYS_exit_group, launch(&caller), 0, 0, 0);
    __builtin_unreachable();
}
#endif
