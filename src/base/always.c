/* Where a broken assertion ends: one sentence on standard error, then abort. It formats into a
 * buffer of its own so that a damaged heap cannot keep it from speaking. Any thread. */
#include "base/always.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void always_failed(const char *place, const char *condition, const char *format, ...)
{
    char sentence[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    (void)fprintf(stderr, "%s: (%s) does not hold: %s\n", place, condition, sentence);
    (void)fflush(stderr);
    abort();
}
