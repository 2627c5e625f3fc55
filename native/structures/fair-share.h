// How much of a limited resource one holder may have: at most as much as it leaves for others.
#pragma once
#include <cstddef>

namespace rally {

// Whether a holder with `own`, of `total` held by all, may have `more`. So a single one never has more than half of
// `most`, and the next one half of the rest. Where many may come one after the other, reserve a minimum for each (see
// Subscriptions::hasQuota).
constexpr bool leavesAsMuch(size_t own, size_t total, size_t more, size_t most) {
  return more == 0 || (total <= most && more <= most && own + total + 2 * more <= most);
}

}  // namespace rally
