// The place of an element in rows that may share it (shared-rows.h), as noted by the element itself.
#pragma once
#include <cstdint>

namespace rally {

struct RowPlace {
  uint32_t chain = 0;  // 0: none
  uint32_t number = 0;
};

}  // namespace rally
