/* CRC-32C (Castagnoli, polynomial 0x1EDC6F41 reflected, initial and final xor all ones), the
 * checksum of every stored byte. crc32c(0, data, n) starts one; crc32c(crc, ...) continues it. */
#ifndef VEER_BASE_CRC32C_H
#define VEER_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);
/* The same without any special instruction: what tests compare with. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t bytes);

#endif
