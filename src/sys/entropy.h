/* Randomness for ids and seeds. Any thread. */
#ifndef SYS_ENTROPY_H
#define SYS_ENTROPY_H

#include <stddef.h>

/* Fills size bytes; cannot fail (the process ends where the kernel has no entropy). */
void sys_entropy(void *ret_data, size_t size);

#endif
