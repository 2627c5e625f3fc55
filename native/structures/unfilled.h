// A vector of bytes whose resize() leaves new ones uninitialised: the caller fills them.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace rally {

template <class T>
struct UnfilledAllocator : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = UnfilledAllocator<U>;
  };
  template <class U>
  void construct(U*) {}
};

using UnfilledBytes = std::vector<uint8_t, UnfilledAllocator<uint8_t>>;

}  // namespace rally
