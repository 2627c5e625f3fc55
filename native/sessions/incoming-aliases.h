// The topic aliases that one client has set, for one network connection (5.0, 3.3.2.3.4), and their memory.
//
//   topics_[alias - 1] = topic name     up to the highest alias that was set
#pragma once
#include <vector>

#include "../structures/short-text.h"

namespace rally {

class IncomingAliases {
 public:
  // The topic name of an alias; empty: it is not set.
  Bytes find(uint16_t alias) const { return alias <= topics_.size() ? topics_[alias - size_t(1)].bytes() : Bytes(); }

  size_t bytes() const { return topics_.size() * sizeof(ShortText) + textBytes_; }
  // The same as bytes(), computed from scratch.
  size_t countBytes() const {
    size_t bytes = topics_.size() * sizeof(ShortText);
    for (const ShortText& topic : topics_) bytes += ShortText::costOf(topic.bytes().size());
    return bytes;
  }
  // The memory of all if this alias named this topic.
  size_t bytesWith(uint16_t alias, Bytes topic) const {
    const size_t count = std::max(topics_.size(), size_t(alias));
    return count * sizeof(ShortText) + textBytes_ - ShortText::costOf(find(alias).size()) +
           ShortText::costOf(topic.size());
  }

  void set(uint16_t alias, Bytes topic) {
    textBytes_ = bytesWith(alias, topic) - std::max(topics_.size(), size_t(alias)) * sizeof(ShortText);
    if (alias > topics_.size()) topics_.resize(alias);
    topics_[alias - size_t(1)] = ShortText(topic);
  }

 private:
  std::vector<ShortText> topics_;
  size_t textBytes_ = 0;
};

}  // namespace rally
