// The bytes that wait to be written to one connection: a chain of chunks in the worker's arena. It
// starts with a small chunk and changes to large ones when that is full; an empty one owns nothing.
#pragma once
#include <algorithm>
#include <cstring>

#include "../structures/arena.h"
#include "../structures/bytes.h"

namespace rally {

class Outbox {
 public:
  bool isEmpty() const { return bytes_ == 0; }
  size_t bytes() const { return bytes_; }
  uint32_t messages() const { return messages_; }
  uint32_t first() const { return first_; }

  void countMessage() { messages_++; }

  // False when the arena is full; the part that fitted stays, so the stream is broken and must be ended.
  bool append(Arena& arena, Bytes bytes) {
    if (last_ == Arena::none || arena.room(last_) < bytes.size()) return appendInParts(arena, bytes);
    put(arena, bytes);
    return true;
  }

  // Appends the contents of `later`, and empties it. False: as append().
  bool take(Arena& arena, Outbox& later) {
    if (isEmpty()) {
      std::swap(*this, later);
      return true;
    }
    bool isComplete = true;
    later.eachChunk(arena, [&](const uint8_t* address, size_t size) {
      isComplete = isComplete && append(arena, Bytes(address, size));
    });
    messages_ += later.messages_;
    later.clear(arena);
    return isComplete;
  }

  // Calls `visit(address, size)` for each chunk, oldest first.
  template <class Visit>
  void eachChunk(Arena& arena, Visit&& visit) const {
    for (uint32_t unit = first_; unit != Arena::none; unit = arena.chunk(unit).next) {
      visit(arena.bytes(unit), arena.chunk(unit).used);
    }
  }

  void clear(Arena& arena) {
    while (first_ != Arena::none) {
      const uint32_t next = arena.chunk(first_).next;
      arena.giveBack(first_);
      first_ = next;
    }
    last_ = Arena::none;
    bytes_ = 0;
    messages_ = 0;
  }

 private:
  // There must be room.
  void put(Arena& arena, Bytes bytes) {
    Arena::Chunk& chunk = arena.chunk(last_);
    if (!bytes.empty()) std::memcpy(arena.bytes(last_) + chunk.used, bytes.data(), bytes.size());
    chunk.used = uint16_t(chunk.used + bytes.size());
    bytes_ += bytes.size();
  }
  [[gnu::noinline]] bool appendInParts(Arena& arena, Bytes bytes) {
    while (!bytes.empty()) {
      size_t room = last_ == Arena::none ? 0 : arena.room(last_);
      if (room < bytes.size() && !(last_ != Arena::none && arena.chunk(last_).isLarge && room > 0)) {
        if (!extend(arena, bytes.size())) return false;
        room = arena.room(last_);
      }
      const size_t count = std::min(room, bytes.size());
      put(arena, bytes.first(count));
      bytes = bytes.subspan(count);
    }
    return true;
  }
  // Appends a chunk with room: a single small chunk is replaced by a large one.
  bool extend(Arena& arena, size_t bytes) {
    const bool isFirst = first_ == Arena::none;
    const uint32_t unit = arena.take(!isFirst || bytes > Arena::smallBytes);
    if (unit == Arena::none) return false;
    if (isFirst) {
      first_ = unit;
    } else if (!arena.chunk(last_).isLarge) {
      std::memcpy(arena.bytes(unit), arena.bytes(last_), arena.chunk(last_).used);
      arena.chunk(unit).used = arena.chunk(last_).used;
      arena.giveBack(last_);
      first_ = unit;
    } else {
      arena.chunk(last_).next = unit;
    }
    last_ = unit;
    return true;
  }

  uint32_t first_ = Arena::none;
  uint32_t last_ = Arena::none;
  size_t bytes_ = 0;
  uint32_t messages_ = 0;
};

}  // namespace rally
