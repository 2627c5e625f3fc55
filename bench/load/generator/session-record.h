// What a session of clients that come and go has got of its streams, from the first message on: each later one must
// come, in order. One may come again if the broker says so (DUP), as after a reconnect. Streams of QoS 0 are not
// for a session that outlives its connections.
#pragma once
#include <unordered_map>

#include "mqtt.h"
#include "payload.h"
#include "sequence.h"
#include "tally.h"

namespace load {

class SessionRecord {
 public:
  SessionRecord(std::string name, size_t payloadBytes) : name_(std::move(name)), payloadBytes_(payloadBytes) {}

  const std::string& name() const { return name_; }

  // Of the clients that share it one connects at a time. The CONNACKs of two might be read in another order than the
  // broker has sent them, and then the connection that was taken over would count, and not the one that the session is
  // on. `client` only names it.
  bool mayConnect(const void* client) const { return !connecting_ || connecting_ == client; }
  void beginConnect(const void* client) { connecting_ = client; }
  void endConnect(const void* client) {
    if (connecting_ == client) connecting_ = nullptr;
  }

  // Names the connection that the session is on from now on. What an earlier one still reads does not count, since
  // the broker takes no acknowledgement from there any more and sends it again.
  uint32_t connect() { return ++connection_; }
  // The subscriptions begin anew: messages before that may be missing.
  void forget() {
    settle();
    streams_.clear();
  }

  void take(uint32_t connection, const ReceivedPublish& publish) {
    if (connection != connection_) return;
    const auto stamp = stampOf(publish.payload, payloadBytes_);
    if (!stamp || stamp->sequence == 0) {
      faults_.corrupt++;
      return;
    }
    Stream& stream = streams_.try_emplace(stamp->stream, Stream{stamp->sequence - 1, {}}).first->second;
    if (stamp->sequence <= stream.before) {
      if (!publish.isDuplicate) faults_.outOfOrder++;
      return;
    }
    switch (stream.sequence.take(stamp->sequence - stream.before)) {
      case Arrival::next:
      case Arrival::gap: return;
      case Arrival::late: faults_.outOfOrder++; return;
      case Arrival::duplicate:
        if (!publish.isDuplicate) faults_.duplicates++;
        return;
      case Arrival::unclear:
        if (!publish.isDuplicate) faults_.unclear++;
        return;
    }
  }

  // After the last message.
  Faults faults() {
    forget();
    return faults_;
  }

 private:
  struct Stream {
    uint32_t before = 0;  // the number before its first one
    Sequence sequence;
  };

  void settle() {
    for (const auto& [number, stream] : streams_) faults_.lost += stream.sequence.missing();
  }

  const std::string name_;
  const size_t payloadBytes_;
  const void* connecting_ = nullptr;
  uint32_t connection_ = 0;
  std::unordered_map<uint32_t, Stream> streams_;
  Faults faults_;
};

}  // namespace load
