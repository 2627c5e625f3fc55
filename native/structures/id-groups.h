// Identifiers in groups. An identifier is a member of at most one group, and names a group of its own, whose members
// stay in the order in which they came. A whole group moves to another in one step.
//
//   group 7     7 -> 12 -> 5 -> 7      and back
//   alone       9 -> 9                 no member, and in no group
//
// A member has no members itself, so each identifier has one pair of links. Links are in chunks, which exist while one
// of their identifiers is not alone.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "../assert.h"
#include "block-bytes.h"

namespace rally {

class IdGroups {
 public:
  // Heap bytes.
  size_t bytes() const { return chunkCount_ * blockBytes(sizeof(Chunk)) + chunks_.size() * sizeof(chunks_[0]); }

  bool isEmpty(uint32_t group) const { return isAlone(group); }
  // Of a group that is not empty.
  uint32_t first(uint32_t group) const {
    RALLY_ASSERT(!isAlone(group));
    return at(group).next;
  }

  // `id` must be alone.
  void add(uint32_t group, uint32_t id) {
    RALLY_ASSERT(id != group && isAlone(id));
    open(group);
    open(id);
    join(at(group).previous, id);
    join(id, group);
  }
  // `id` must be a member.
  void remove(uint32_t id) {
    RALLY_ASSERT(!isAlone(id));
    const Links links = at(id);
    join(links.previous, links.next);
    join(id, id);
    close(id);
    if (isAlone(links.next)) close(links.next);  // the group, which is empty now
  }
  // To the end of the other group.
  void moveAll(uint32_t from, uint32_t to) {
    if (isAlone(from)) return;
    RALLY_ASSERT(from != to);
    open(to);
    const Links members = at(from);
    join(at(to).previous, members.next);
    join(members.previous, to);
    join(from, from);
    close(from);
  }

 private:
  static constexpr uint32_t chunkSize = 1024;

  struct Links {
    uint32_t next = 0;
    uint32_t previous = 0;
  };
  struct Chunk {
    std::array<Links, chunkSize> links;
    uint32_t count = 0;  // of identifiers that are not alone
  };

  bool isAlone(uint32_t id) const {
    const uint32_t chunk = id / chunkSize;
    return chunk >= chunks_.size() || !chunks_[chunk] || at(id).next == id;
  }
  Links& at(uint32_t id) { return chunks_[id / chunkSize]->links[id % chunkSize]; }
  const Links& at(uint32_t id) const { return chunks_[id / chunkSize]->links[id % chunkSize]; }
  void join(uint32_t id, uint32_t next) {
    at(id).next = next;
    at(next).previous = id;
  }

  // The identifier will not be alone.
  void open(uint32_t id) {
    if (!isAlone(id)) return;
    const uint32_t chunk = id / chunkSize;
    if (chunk >= chunks_.size()) chunks_.resize(chunk + 1);
    if (!chunks_[chunk]) {
      chunks_[chunk] = std::make_unique<Chunk>();
      chunkCount_++;
      for (uint32_t each = 0; each < chunkSize; each++) join(chunk * chunkSize + each, chunk * chunkSize + each);
    }
    chunks_[chunk]->count++;
  }
  // It is alone.
  void close(uint32_t id) {
    const uint32_t chunk = id / chunkSize;
    if (--chunks_[chunk]->count > 0) return;
    chunks_[chunk] = nullptr;
    chunkCount_--;
  }

  std::vector<std::unique_ptr<Chunk>> chunks_;
  size_t chunkCount_ = 0;
};

}  // namespace rally
