// Invariants that hold whatever clients, the host program and other threads do: always checked, also in production. A
// violation ends the process at once, with a line that names the condition and its place: going on would misplace
// messages.
#pragma once
#include <cstdio>
#include <cstdlib>

namespace rally {

[[noreturn, gnu::cold, gnu::noinline]] inline void failAssertion(const char* what, const char* file, int line) {
  std::fprintf(stderr, "rallymq: bug: %s does not hold at %s:%d\n", what, file, line);
  std::abort();
}

}  // namespace rally

#define RALLY_ASSERT(condition)                               \
  do {                                                        \
    if (!(condition)) [[unlikely]]                            \
      ::rally::failAssertion(#condition, __FILE__, __LINE__); \
  } while (false)
