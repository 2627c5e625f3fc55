// The packet identifiers of QoS 2 messages that a client has sent and not yet released. Most sessions never have any:
// a pointer, until there is one (packet-id-table.h).
//
// The memory is freed with the last identifier, unless it is very small.
#pragma once
#include <memory>

#include "packet-id-table.h"

namespace rally {

class PacketIdSet {
 public:
  PacketIdSet() = default;
  PacketIdSet(const PacketIdSet& other) : table_(copyOf(other)) {}
  PacketIdSet(PacketIdSet&&) noexcept = default;
  PacketIdSet& operator=(const PacketIdSet& other) {
    table_ = copyOf(other);
    return *this;
  }
  PacketIdSet& operator=(PacketIdSet&&) noexcept = default;
  ~PacketIdSet() = default;

  size_t size() const { return table_ ? table_->size() : 0; }
  // Of the heap, but for the table itself: that is part of the size of a session.
  size_t bytes() const { return table_ ? table_->bytes() : 0; }
  bool contains(uint16_t id) const { return table_ && table_->contains(id); }

  template <class Visit>
  void each(Visit&& visit) const {
    if (table_) table_->each(visit);
  }
  // False when it was present.
  bool add(uint16_t id) {
    if (!table_) table_ = std::make_unique<PacketIdTable>();
    return table_->add(id);
  }
  // False when it was absent.
  bool remove(uint16_t id) {
    if (!table_ || !table_->remove(id)) return false;
    if (table_->size() == 0 && table_->bytes() > keptBytes) table_.reset();
    return true;
  }

 private:
  static constexpr size_t keptBytes = 256;

  // Of one that is empty nothing is kept.
  static std::unique_ptr<PacketIdTable> copyOf(const PacketIdSet& other) {
    return other.size() == 0 ? nullptr : std::make_unique<PacketIdTable>(*other.table_);
  }

  std::unique_ptr<PacketIdTable> table_;
};

}  // namespace rally
