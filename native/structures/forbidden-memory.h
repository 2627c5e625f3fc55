// Memory that a structure keeps and that must not be accessed now, marked for AddressSanitizer, which only knows of
// freed memory. Costs nothing without it.
#pragma once
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define RALLY_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RALLY_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef RALLY_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace rally {

// AddressSanitizer knows steps of 8 bytes, so smaller objects are always allowed.
template <class T>
void forbidMemory([[maybe_unused]] const T* objects, [[maybe_unused]] size_t count) {
#ifdef RALLY_ADDRESS_SANITIZER
  if (sizeof(T) % 8 == 0) __asan_poison_memory_region(objects, count * sizeof(T));
#endif
}
template <class T>
void allowMemory([[maybe_unused]] const T* objects, [[maybe_unused]] size_t count) {
#ifdef RALLY_ADDRESS_SANITIZER
  __asan_unpoison_memory_region(objects, count * sizeof(T));
#endif
}

}  // namespace rally
