// Events for JavaScript, one behind the other, so that one call takes many of them:
//
//   [ size of bytes 4 | slot 4 | value 8, a double | kind 1 | first 1 | reason 1 | 0 5 | bytes, and 0 up to a multiple
//   of 8 ]
//
// Numbers are in the machine's order. Read by core/data-plane/events.ts.
#pragma once
#include <algorithm>
#include <cstring>
#include <span>

#include "../front-end/events.h"

namespace rally::node {

class EventRecords {
 public:
  explicit EventRecords(std::span<uint8_t> memory) : memory_(memory) {}

  static size_t sizeOf(const Event& event) { return headBytes + paddedSize(event.bytes.size()); }

  // False: there is no room for it.
  bool add(const Event& event) {
    if (sizeOf(event) > memory_.size() - end_) return false;
    const std::span<uint8_t> record = memory_.subspan(end_, sizeOf(event));
    const auto size = uint32_t(event.bytes.size());
    const auto value = double(event.value);
    std::ranges::fill(record.first(headBytes), uint8_t(0));
    std::memcpy(record.data(), &size, sizeof size);
    std::memcpy(record.data() + 4, &event.slot, sizeof event.slot);
    std::memcpy(record.data() + 8, &value, sizeof value);
    record[16] = uint8_t(event.kind);
    record[17] = event.first;
    record[18] = uint8_t(event.reason);
    std::ranges::copy(event.bytes, record.begin() + headBytes);
    end_ += record.size();
    return true;
  }

  // Of all that were added.
  size_t bytes() const { return end_; }

 private:
  static constexpr size_t headBytes = 24;
  static size_t paddedSize(size_t size) { return (size + 7) & ~size_t(7); }

  std::span<uint8_t> memory_;
  size_t end_ = 0;
};

}  // namespace rally::node
