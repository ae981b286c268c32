/* Descriptors for one another: sending one over a socket. */
#ifndef PYOCI_DESCRIPTORS_H
#define PYOCI_DESCRIPTORS_H

#include "init.h"

/* Sends a descriptor with a text over a connected socket, in one message (unix(7), SCM_RIGHTS). */
int send_descriptor(int socket, int descriptor, const char *text, size_t length);

#endif
