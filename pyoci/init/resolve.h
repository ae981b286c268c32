/*
 * Paths of the container → descriptors. A path is looked at once, by the kernel, and never leaves
 * the root (openat2(2)); what follows is done to the descriptor. Whoever swaps a component for a
 * symlink meanwhile gets, at worst, another file of the same container.
 */
#ifndef PYOCI_RESOLVE_H
#define PYOCI_RESOLVE_H

#include "init.h"

/* Lookup policies: how the components of a path are followed. */
#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)     /* symlinks are, inside the root */
#define IN_ROOT_REAL (IN_ROOT | RESOLVE_NO_SYMLINKS)          /* no symlink at all */
#define BELOW (RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)
#define BELOW_SAME_MOUNT (BELOW | RESOLVE_NO_XDEV)            /* and no other mount */

/* openat2(2) with O_CLOEXEC, again while the kernel cannot rule a race out. */
int resolve(int directory, const char *path, uint64_t flags, uint64_t policy);

/* Opens a path of the container as a place (O_PATH); ``flags`` may add O_NOFOLLOW. */
int resolve_place(const struct init *init, const char *path, uint64_t flags, uint64_t policy);

/* The same; makes the directories and, as ``kind`` says, the directory or empty file that is
 * missing. Symlinks that point nowhere are followed, inside the root (an image's /etc/resolv.conf
 * often is one). */
int resolve_target(const struct init *init, const char *path, int kind, uint64_t flags, uint64_t policy);

/* Opens the directory that is to hold a path's last component, made if it is missing; copies the
 * component to ``name``. */
int resolve_parent(const struct init *init, const char *path, char name[NAME_MAX + 1]);

/* Says what is at a descriptor. */
int facts_of(int descriptor, struct statx *facts);

/* Says whether a descriptor is on a file system of this magic number. */
bool on_file_system(int descriptor, int64_t magic);

#endif
