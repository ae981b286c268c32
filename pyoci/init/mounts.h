/* Mounts that are attached nowhere yet. */
#ifndef PYOCI_MOUNTS_H
#define PYOCI_MOUNTS_H

#include "init.h"

/* Makes a file system with options as fsconfig(2) takes them; what it says about an error becomes
 * the detail. */
int new_mount(struct init *init, const char *type, const char *source, const struct field *options,
              unsigned attributes);

/* mount_setattr(2) on a mount itself. */
int set_attributes(int mount, struct mount_attr attributes, bool recursive);

#endif
