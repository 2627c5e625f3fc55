// A message in transit to one session.
#pragma once
#include <utility>
#include <vector>

#include "message.h"

namespace rally {

// The subscription identifiers of a delivery (5.0, 3.3.2.3.8): mostly none or one, so they fit into a word.
//
//   0: none    odd: one identifier, shifted    even: where the list of several is
class SubscriptionIds {
 public:
  SubscriptionIds() = default;
  explicit SubscriptionIds(uint32_t id) : word_(id == 0 ? 0 : one(id)) {}
  SubscriptionIds(const SubscriptionIds& other) : word_(other.word_) {
    if (isList()) word_ = reinterpret_cast<uintptr_t>(new List(*list()));
  }
  SubscriptionIds(SubscriptionIds&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
  SubscriptionIds& operator=(SubscriptionIds&& other) noexcept {
    std::swap(word_, other.word_);
    return *this;
  }
  SubscriptionIds& operator=(const SubscriptionIds& other) { return *this = SubscriptionIds(other); }
  ~SubscriptionIds() {
    if (isList()) delete list();
  }

  bool isEmpty() const { return word_ == 0; }
  bool operator==(const SubscriptionIds& other) const {
    return word_ == other.word_ || (isList() && other.isList() && *list() == *other.list());
  }
  // Bytes beyond the object itself, as a copy takes them: a copy has no spare capacity.
  size_t bytes() const { return isList() ? heapBytes(sizeof(List)) + heapBytes(list()->size() * sizeof(uint32_t)) : 0; }
  void add(uint32_t id) {
    if (id == 0) return;
    if (word_ == 0) {
      word_ = one(id);
    } else if (isList()) {
      list()->push_back(id);
    } else {
      word_ = reinterpret_cast<uintptr_t>(new List{uint32_t(word_ >> 1), id});
    }
  }
  template <class Visit>
  void each(Visit&& visit) const {
    if (isList()) {
      for (const uint32_t id : *list()) visit(id);
    } else if (word_ != 0) {
      visit(uint32_t(word_ >> 1));
    }
  }

 private:
  using List = std::vector<uint32_t>;

  static uintptr_t one(uint32_t id) { return uintptr_t(id) << 1 | 1; }
  bool isList() const { return word_ != 0 && (word_ & 1) == 0; }
  List* list() const { return reinterpret_cast<List*>(word_); }

  uintptr_t word_ = 0;
};

struct Delivery {
  MessageRef message;  // absent in the window of a session that ends with its connection
  SubscriptionIds subscriptionIds;
  uint8_t qos = 0;
  bool retain = false;
  bool isFromStore = false;  // a retained message for a new subscription: not counted in the session
  uint32_t share = 0;        // through a shared subscription: the key of the share at the topic's owner

  bool isSameAs(const Delivery& other) const {
    return message.get() == other.message.get() && subscriptionIds == other.subscriptionIds && qos == other.qos &&
           retain == other.retain && isFromStore == other.isFromStore && share == other.share;
  }
  // Bytes that it holds, beyond itself.
  size_t bytes() const { return (message ? message->blockBytes() : 0) + subscriptionIds.bytes(); }
};
static_assert(sizeof(Delivery) == 24, "windows and queues hold very many");

}  // namespace rally
