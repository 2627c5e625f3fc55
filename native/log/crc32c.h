// CRC-32C (Castagnoli), with the instruction of SSE4.2 where the processor has it.
#pragma once
#include <cstdint>

#include "../structures/bytes.h"

namespace rally::log {

// Of `bytes`, going on from that of what stands before them.
uint32_t crc32c(Bytes bytes, uint32_t before = 0);
// The same without the instruction: what crc32c() is where there is none.
uint32_t crc32cPortable(Bytes bytes, uint32_t before = 0);

}  // namespace rally::log
