// One entry of a lane: a small struct of one of the kinds that the lane carries, and nothing else.
//
//   RecordOf<A, B>  [ kind | fields of A or B ................ ]   32 bytes, copied as they are
//
// A struct names its place in the list by `kind`, its first member. What it owns in transit is in a member `carried`,
// so that a record that nobody takes can be discarded without a list of owners. visit() passes the struct to a
// visitor, which does not compile if a kind is missing.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#include "../assert.h"
#include "../messages/message.h"

namespace rally {

// A pointer that owns its object while it is in a lane: trivially copied, taken exactly once.
template <class T>
class Carried {
 public:
  Carried() = default;
  explicit Carried(std::unique_ptr<T> owned) : pointer_(owned.release()) {}
  std::unique_ptr<T> take() const { return std::unique_ptr<T>(pointer_); }

 private:
  T* pointer_ = nullptr;
};

template <>
class Carried<Message> {
 public:
  Carried() = default;
  explicit Carried(MessageRef message) : pointer_(message.release()) {}
  MessageRef take() const { return MessageRef(pointer_); }
  const Message& look() const { return *pointer_; }
  size_t messageBytes() const { return pointer_ ? pointer_->blockBytes() : 0; }

 private:
  Message* pointer_ = nullptr;
};

Carried(MessageRef)->Carried<Message>;

template <class... Kinds>
class RecordOf {
  static constexpr size_t bytesMax = 32;

 public:
  RecordOf() = default;

  template <class Kind>
  requires(std::is_same_v<Kind, Kinds> || ...) RecordOf(const Kind& each) {  // implicit: a struct is pushed as it is
    static_assert(sizeof(Kind) <= bytesMax && std::is_trivially_copyable_v<Kind>);
    std::memcpy(bytes_.data(), &each, sizeof each);
    bytes_[0] = indexOf<Kind>();
  }

  // The number of the kind, from 1.
  uint8_t kind() const { return bytes_[0]; }
  // Passes an empty struct of this kind to `visitor`; false: there is no such kind.
  template <class Visitor>
  static bool visitKind(uint8_t kind, Visitor&& visitor) {
    return ((kind == indexOf<Kinds>() && (visitor(Kinds()), true)) || ...);
  }

  template <class Visitor>
  void visit(Visitor&& visitor) const {
    const bool isVisited = ((bytes_[0] == indexOf<Kinds>() && (visitor(as<Kinds>()), true)) || ...);
    RALLY_ASSERT(isVisited);
  }

 private:
  template <class Kind>
  static constexpr uint8_t indexOf() {
    uint8_t index = 0;
    const bool isFound = ((++index, std::is_same_v<Kind, Kinds>) || ...);
    return isFound ? index : uint8_t(0);
  }
  template <class Kind>
  Kind as() const {
    Kind each;
    std::memcpy(static_cast<void*>(&each), bytes_.data(), sizeof each);
    return each;
  }

  alignas(8) std::array<uint8_t, bytesMax> bytes_;
};

// The size of the message that a record carries, if any.
template <class... Kinds>
size_t messageBytes(const RecordOf<Kinds...>& record) {
  size_t bytes = 0;
  record.visit([&](const auto& each) {
    if constexpr (requires { each.carried.messageBytes(); }) bytes = each.carried.messageBytes();
  });
  return bytes;
}

// Frees what a record owns if it is not taken.
template <class... Kinds>
void discard(const RecordOf<Kinds...>& record) {
  record.visit([](const auto& each) {
    if constexpr (requires { each.carried; }) each.carried.take();
  });
}

}  // namespace rally
