// The keys of session tickets (RFC 5077, RFC 8446 4.6.1). All workers have the same, so that a client resumes on any
// of them; the main thread rotates them, and older ones still open their own tickets.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "../assert.h"
#include "../structures/bytes.h"

namespace rally {

struct TicketKey {
  std::array<uint8_t, 16> name;
  std::array<uint8_t, 32> macKey;
  std::array<uint8_t, 32> cipherKey;
};
static_assert(sizeof(TicketKey) == 80);

class TicketKeys {
 public:
  // Newest first, one after the other.
  void set(Bytes bytes) {
    RALLY_ASSERT(bytes.size() % sizeof(TicketKey) == 0);
    keys_.resize(bytes.size() / sizeof(TicketKey));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(keys_.data()));
  }

  // The key for new tickets; nullptr: there is none, and no tickets.
  const TicketKey* newest() const { return keys_.empty() ? nullptr : &keys_.front(); }

  // The key of a ticket; `name` has 16 bytes.
  const TicketKey* find(const uint8_t* name) const {
    for (const TicketKey& key : keys_) {
      if (std::equal(key.name.begin(), key.name.end(), name)) return &key;
    }
    return nullptr;
  }

 private:
  std::vector<TicketKey> keys_;
};

}  // namespace rally
