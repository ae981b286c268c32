#include "vectors.h"

char **new_vector(size_t pointers)
{
    void *room = sys_mmap(pointers * sizeof(char *), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    return is_mapping(room) ? room : NULL;
}

char **point_at(char **pointers, const struct field *list)
{
    uint32_t offset = 0;
    const char *item;
    /* execve(2) does not write to the strings; its type only looks like that. */
    while ((item = list_next(list, &offset)))
        *pointers++ = (char *)(uintptr_t)item;
    return pointers;
}
