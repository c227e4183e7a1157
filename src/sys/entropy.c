/* The kernel's randomness. Any thread. */
#include "sys/entropy.h"

#include "base/always.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

void sys_entropy(void *ret_data, size_t size)
{
    uint8_t *at = (uint8_t *)ret_data;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        ALWAYS(got > 0, "the kernel gives no randomness: errno %d", errno);
        at += got;
        size -= (size_t)got;
    }
}
