// How much of something bounded one holder may have: as much as is left for others then.
#pragma once
#include <cstddef>

namespace rally {

// Whether one that holds `own`, of `total` that all hold, may have `more`. So one alone never has more than half of
// `most`, and the next one half of what it has left. Where many may come one after the other, what each must have is
// to be set apart (see Subscriptions::hasQuota).
constexpr bool leavesAsMuch(size_t own, size_t total, size_t more, size_t most) {
  return more == 0 || (total <= most && more <= most && own + total + 2 * more <= most);
}

}  // namespace rally
