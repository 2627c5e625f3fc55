// CRC-32C (Castagnoli), with the SSE4.2 instruction if the processor has it.
#pragma once
#include <cstdint>

#include "../structures/bytes.h"

namespace rally::log {

// Of `bytes`, continuing from the checksum of the previous bytes.
uint32_t crc32c(Bytes bytes, uint32_t before = 0);
// The same without the instruction, as in crc32c() on processors that lack it.
uint32_t crc32cPortable(Bytes bytes, uint32_t before = 0);

}  // namespace rally::log
