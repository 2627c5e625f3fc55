// Where an element of rows is that may share it (shared-rows.h), as the element itself notes it.
#pragma once
#include <cstdint>

namespace rally {

struct RowPlace {
  uint32_t chain = 0;  // 0: none
  uint32_t number = 0;
};

}  // namespace rally
