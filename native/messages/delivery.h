// A message on its way to one session.
#pragma once
#include <memory>
#include <vector>

#include "message.h"

namespace rally {

// The subscription identifiers that go with a delivery (5.0, 3.3.2.3.8): mostly none or one.
class SubscriptionIds {
 public:
  SubscriptionIds() = default;
  explicit SubscriptionIds(uint32_t id) : first_(id) {}
  SubscriptionIds(const SubscriptionIds& other) : first_(other.first_) {
    if (other.more_) more_ = std::make_unique<std::vector<uint32_t>>(*other.more_);
  }
  SubscriptionIds(SubscriptionIds&&) noexcept = default;
  SubscriptionIds& operator=(SubscriptionIds other) noexcept {
    first_ = other.first_;
    more_ = std::move(other.more_);
    return *this;
  }

  bool empty() const { return first_ == 0; }
  // Beyond the object itself, as a copy takes them: it has no room to grow.
  size_t bytes() const { return more_ ? heapBytes(sizeof(*more_)) + heapBytes(more_->size() * sizeof(uint32_t)) : 0; }
  void add(uint32_t id) {
    if (id == 0) return;
    if (first_ == 0) {
      first_ = id;
      return;
    }
    if (!more_) more_ = std::make_unique<std::vector<uint32_t>>();
    more_->push_back(id);
  }
  template <class Visit>
  void each(Visit&& visit) const {
    if (first_ != 0) visit(first_);
    if (more_) {
      for (const uint32_t id : *more_) visit(id);
    }
  }

 private:
  uint32_t first_ = 0;
  std::unique_ptr<std::vector<uint32_t>> more_;
};

struct Delivery {
  MessageRef message;  // absent in the window of a session that ends with its connection
  SubscriptionIds subscriptionIds;
  uint8_t qos = 0;
  bool retain = false;
  uint32_t share = 0;        // through a shared subscription: the key of the share at the topic's owner
  bool isFromStore = false;  // a retained message for a new subscription: not counted in the session

  // Of what it holds, beyond itself.
  size_t bytes() const { return (message ? message->blockBytes() : 0) + subscriptionIds.bytes(); }
};

}  // namespace rally
