// The memory of the topic aliases of all connections of a worker, those set by clients and those set by the broker.
//
// When it is too much, the connection whose client has set the most has to end: nobody else pays for it. The broker's
// own aliases never cost a connection: they may use half of the room, and topics beyond it are sent in full.
#pragma once
#include <algorithm>
#include <set>
#include <utility>

#include "connection.h"

namespace rally {

class AliasAccount {
 public:
  explicit AliasAccount(size_t bytesMax) : bytesMax_(bytesMax) {}

  size_t bytes() const { return bytes_; }

  // The client sets an alias. Returns the connection that has to end for it, or nullptr; then call release() for it.
  Connection* set(Connection& connection, uint16_t alias, Bytes topic) {
    if (!connection.aliases) connection.aliases = std::make_unique<IncomingAliases>();
    IncomingAliases& aliases = *connection.aliases;
    const size_t before = aliases.bytes();
    aliases.set(alias, topic);
    bytes_ += aliases.bytes() - before;
    if (before > 0) holders_.erase({before, &connection});
    holders_.insert({aliases.bytes(), &connection});
    return bytes_ > bytesMax_ ? holders_.rbegin()->second : nullptr;
  }

  // Whether the broker may set one more alias for a client.
  bool hasRoomForOurs(Bytes topic) const { return bytes_ + OutgoingAliases::bytesOf(topic) <= bytesMax_ / 2; }
  void setOurs(Connection& connection, uint16_t alias, Bytes topic, uint64_t hash) {
    const size_t before = connection.outgoingAliases->bytes();
    connection.outgoingAliases->set(alias, topic, hash);
    bytes_ += connection.outgoingAliases->bytes() - before;
  }

  // The connection's aliases are gone.
  void release(Connection& connection) {
    if (connection.aliases) {
      bytes_ -= connection.aliases->bytes();
      holders_.erase({connection.aliases->bytes(), &connection});
      connection.aliases.reset();
    }
    if (!connection.outgoingAliases) return;
    bytes_ -= connection.outgoingAliases->bytes();
    connection.outgoingAliases.reset();
  }

 private:
  const size_t bytesMax_;
  size_t bytes_ = 0;
  std::set<std::pair<size_t, Connection*>> holders_;  // with what their clients have set, the most at the end
};

}  // namespace rally
