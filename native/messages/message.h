// An application message that outlives the chunk it came in: one reference-counted block, shared by the sessions,
// lanes and stores of all workers, and immutable once it is shared.
//
//   [ Message | a Holding for each worker | topic | properties | payload | a Mark, if isMarked ]
//
// Each worker notes for itself how many entries of its windows and queues hold the block, and where
// (sessions/held-messages.h). So each worker counts the block once towards its sessions, and needs no atomic for it.
//
// A *stub* replaces a message whose content is only in the log (sessions/backlog.h): the same head, without content.
//
// `MessageRef` owns one reference. A `Publication` is routed: it consists of views into the received bytes, or into a
// Message; the Message is made only when something has to keep it.
#pragma once
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "../assert.h"
#include "../structures/bytes.h"
#include "../structures/row-place.h"
#include "log-place.h"
#include "mark.h"
#include "message-blocks.h"

namespace rally {

// Whether the expiry (0: never) of a message has passed (5.0, 3.3.2.3.3).
inline bool hasPassed(uint64_t expiresAtMs, uint64_t nowMs) { return expiresAtMs != 0 && expiresAtMs <= nowMs; }

// A worker's notes in a message: entries of windows and queues that hold it, and where the queues last received it
// (structures/shared-rows.h).
struct Holding {
  uint32_t holders = 0;
  RowPlace place;
};
static_assert(sizeof(Holding) == 12);

struct Message {
  std::atomic<uint32_t> references{1};
  uint32_t payloadBytes = 0;
  uint32_t propertiesBytes = 0;
  uint16_t topicBytes = 0;
  uint8_t workers = 1;
  uint8_t qos : 2 = 0;
  bool retain : 1 = false;
  bool isStub : 1 = false;
  bool isMarked : 1 = false;
  uint64_t originSession = 0;  // who published it, for No Local (5.0, 3.8.3.1); 0: nobody
  uint64_t expiresAtMs = 0;    // on the clock of the engine; 0: never
  uint64_t logId = 0;          // its number in the log; 0: it is not there
  // A checkpoint copies it to a new position.
  std::atomic<uint64_t> placeInLog{0};

  LogPlace logPlace() const { return LogPlace::of(placeInLog.load(std::memory_order_relaxed)); }
  void setLogPlace(LogPlace place) { placeInLog.store(place.value(), std::memory_order_relaxed); }

  // Only this worker may access it.
  Holding& holding(unsigned worker) {
    RALLY_ASSERT(worker < workers);
    return reinterpret_cast<Holding*>(this + 1)[worker];
  }
  uint32_t& holders(unsigned worker) { return holding(worker).holders; }
  const uint8_t* bytes() const {
    RALLY_ASSERT(!isStub);
    return reinterpret_cast<const uint8_t*>(this + 1) + workers * sizeof(Holding);
  }
  Bytes topic() const { return {bytes(), topicBytes}; }
  Bytes properties() const { return {bytes() + topicBytes, propertiesBytes}; }
  Bytes payload() const { return {bytes() + topicBytes + propertiesBytes, payloadBytes}; }
  // Except its Mark, which few have, and stubs never.
  size_t contentBytes() const { return size_t(topicBytes) + propertiesBytes + payloadBytes; }
  size_t size() const { return sizeof(Message) + contentBytes(); }
  // Its Mark, which may lie at any address; nullptr: there is none.
  const uint8_t* mark() const { return isMarked ? payload().data() + payloadBytes : nullptr; }
  // With its heap overhead, as if it were no stub.
  size_t blockBytes() const { return blockBytes(workers, contentBytes()); }
  size_t heldBytes() const { return isStub ? blockBytes(workers, 0) : blockBytes(); }
  // Empty, with room for this much content. `blocks`: where to look for a block first.
  static Message* make(unsigned workers, size_t contentBytes, MessageBlocks* blocks = nullptr) {
    RALLY_ASSERT(workers > 0);
    const size_t bytes = sizeof(Message) + workers * sizeof(Holding) + contentBytes;
    void* block = blocks ? blocks->take(bytes) : nullptr;
    if (!block) block = MessageBlocks::make(bytes);
    RALLY_ASSERT(block);
    auto* message = new (block) Message;
    message->workers = uint8_t(workers);
    for (unsigned worker = 0; worker < workers; worker++) message->holding(worker) = {};
    return message;
  }
  static size_t blockBytes(unsigned workers, size_t contentBytes) {
    return heapBytes(sizeof(Message) + workers * sizeof(Holding) + contentBytes);
  }
};
static_assert(sizeof(Message) == 48);

class MessageRef {
 public:
  MessageRef() = default;
  explicit MessageRef(Message* owned) : message_(owned) {}
  MessageRef(const MessageRef& other) : message_(other.message_) {
    if (message_) message_->references.fetch_add(1, std::memory_order_relaxed);
  }
  MessageRef(MessageRef&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
  MessageRef& operator=(MessageRef other) noexcept {
    std::swap(message_, other.message_);
    return *this;
  }
  ~MessageRef() {
    // The last owner may free without the locked decrement: nobody else can have a reference.
    if (message_ && (message_->references.load(std::memory_order_acquire) == 1 ||
                     message_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)) {
      message_->~Message();
      std::free(message_);
    }
  }

  // In place of the destructor: the block of the last reference may be of use again.
  void drop(MessageBlocks& blocks) {
    if (!message_ || message_->references.load(std::memory_order_acquire) != 1) {
      *this = MessageRef();
      return;
    }
    const size_t bytes = message_->isStub || message_->isMarked ? 0 : message_->blockBytes();
    message_->~Message();
    blocks.put(std::exchange(message_, nullptr), bytes);
  }
  // Releases the reference as a bare pointer, for a lane; the receiver wraps it again.
  Message* release() { return std::exchange(message_, nullptr); }
  Message* get() const { return message_; }
  Message* operator->() const { return message_; }
  explicit operator bool() const { return message_ != nullptr; }

 private:
  Message* message_ = nullptr;
};

struct Publication {
  Bytes topic;
  Bytes properties;
  Bytes payload;
  uint64_t topicHash = 0;
  uint64_t originSession = 0;
  uint64_t expiresAtMs = 0;
  uint8_t qos = 0;
  bool retain = false;
  uint8_t workers = 0;            // of the broker: keep() needs it
  MessageRef kept;                // made by keep()
  uint64_t logId = 0;             // as in Message
  LogPlace logPlace{};            // likewise
  const uint8_t* mark = nullptr;  // likewise

  static Publication of(MessageRef message, uint64_t topicHash) {
    Publication publication{
        message->topic(),     message->properties(), message->payload(), topicHash,        message->originSession,
        message->expiresAtMs, message->qos,          message->retain,    message->workers, {},
        message->logId,       message->logPlace(),   message->mark()};
    publication.kept = std::move(message);
    return publication;
  }

  // Before it is shared.
  void setInLog(uint64_t id, LogPlace place) {
    logId = id;
    logPlace = place;
    if (!kept) return;
    kept->logId = id;
    kept->setLogPlace(place);
  }

  // Its bytes in a PUBLISH, without those that the head adds.
  size_t size() const { return topic.size() + properties.size() + payload.size(); }
  // The bytes of its Message, whether it has been made or not.
  size_t blockBytes() const { return Message::blockBytes(workers, size()); }
  size_t markBytes() const { return mark ? sizeof(Mark) : 0; }
  Mark readMark() const {
    Mark read;
    if (mark) std::memcpy(&read, mark, sizeof read);
    return read;
  }

  const MessageRef& keep(MessageBlocks* blocks = nullptr) {
    if (!kept) {
      Message* message = Message::make(workers, size() + markBytes(), blocks);
      writeHead(*message);
      message->isMarked = mark != nullptr;
      uint8_t* at = const_cast<uint8_t*>(message->bytes());
      for (const Bytes part : {topic, properties, payload, Bytes(mark, markBytes())}) {
        if (!part.empty()) std::memcpy(at, part.data(), part.size());
        at += part.size();
      }
      kept = MessageRef(message);
    }
    return kept;
  }
  void writeHead(Message& message) const {
    message.topicBytes = uint16_t(topic.size());
    message.propertiesBytes = uint32_t(properties.size());
    message.payloadBytes = uint32_t(payload.size());
    message.qos = qos & 3;
    message.retain = retain;
    message.originSession = originSession;
    message.expiresAtMs = expiresAtMs;
    message.logId = logId;
    message.setLogPlace(logPlace);
  }
};

// From the log, which has no marks.
inline MessageRef stubOf(const Publication& publication) {
  RALLY_ASSERT(publication.logId != 0);
  Message* stub = Message::make(publication.workers, 0);
  publication.writeHead(*stub);
  stub->isStub = true;
  return MessageRef(stub);
}
// All that has to be known of it; the record has the rest.
inline MessageRef stubFor(unsigned workers, uint64_t logId, LogPlace place, size_t contentBytes) {
  RALLY_ASSERT(logId != 0);
  Message* stub = Message::make(workers, 0);
  stub->payloadBytes = uint32_t(contentBytes);
  stub->logId = logId;
  stub->setLogPlace(place);
  stub->isStub = true;
  return MessageRef(stub);
}

}  // namespace rally
