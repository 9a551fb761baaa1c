/* Arrays of elements that begin with a name (char[65]): in order, and finding by it. */
#ifndef VEER_STORAGE_NAME_ORDER_H
#define VEER_STORAGE_NAME_ORDER_H

#include <stdbool.h>
#include <stddef.h>

/* By ascending name, in place; elements of at most 128 bytes. */
void names_sort(void *elements, size_t n, size_t bytes_each);
/* In what is sorted so: no name twice. */
bool names_distinct(const void *elements, size_t n, size_t bytes_each);
/* The index of the element, or n. */
size_t names_find(const void *elements, size_t n, size_t bytes_each, const char *name);

#endif
