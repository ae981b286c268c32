/* Lists of a plan as execve(2) takes them. */
#ifndef PYOCI_VECTORS_H
#define PYOCI_VECTORS_H

#include "init.h"

/* Gives zeroed room for a number of pointers, or NULL when there is no memory. */
char **new_vector(size_t pointers);

/* Puts pointers to a list's strings, which stay in the plan; gives where the next one goes. */
char **point_at(char **pointers, const struct field *list);

#endif
