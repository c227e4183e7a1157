/* CRC-32C (Castagnoli) as record batches carry it. The implementation is chosen once, at run
 * time, by what the processor can do: ISA-L's where it has carry-less multiplication, otherwise
 * a portable table. Any thread. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/slice.h"

/* Continues `crc` (0 at the start) over the bytes. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
/* The table version, for comparison in tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif
