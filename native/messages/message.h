// An application message that outlives the chunk it came in: one block, counted references, shared
// by the sessions, lanes and stores of all workers and never changed once it is shared.
//
//   [ Message | topic | properties | payload ]
//
// `MessageRef` owns one reference. `Publication` is what is being routed: views into the received
// bytes, or into a Message; the Message is made only when somebody has to keep it.
#pragma once
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "../assert.h"
#include "../structures/bytes.h"

namespace rally {

// Whether a message with this expiry (0: never) has nothing left of its interval (5.0, 3.3.2.3.3).
inline bool hasPassed(uint64_t expiresAtMs, uint64_t nowMs) { return expiresAtMs != 0 && expiresAtMs <= nowMs; }

struct Message {
  std::atomic<uint32_t> references{1};
  uint32_t payloadBytes = 0;
  uint32_t propertiesBytes = 0;
  uint16_t topicBytes = 0;
  uint8_t qos = 0;
  bool retain = false;
  uint64_t originSession = 0;  // who published it, for No Local (5.0, 3.8.3.1); 0: nobody
  uint64_t expiresAtMs = 0;    // on the clock of the engine; 0: never

  const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(this + 1); }
  Bytes topic() const { return {bytes(), topicBytes}; }
  Bytes properties() const { return {bytes() + topicBytes, propertiesBytes}; }
  Bytes payload() const { return {bytes() + topicBytes + propertiesBytes, payloadBytes}; }
  size_t size() const { return sizeof(Message) + topicBytes + propertiesBytes + payloadBytes; }
};

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

  // Gives the reference away as a bare pointer, for a lane; the receiver wraps it again.
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
  MessageRef kept;  // made by keep()

  static Publication of(MessageRef message, uint64_t topicHash) {
    return {message->topic(),     message->properties(), message->payload(), topicHash,         message->originSession,
            message->expiresAtMs, message->qos,          message->retain,    std::move(message)};
  }

  // Bytes that it takes in a PUBLISH, without what the head adds.
  size_t size() const { return topic.size() + properties.size() + payload.size(); }

  const MessageRef& keep() {
    if (!kept) {
      void* block = std::malloc(sizeof(Message) + topic.size() + properties.size() + payload.size());
      RALLY_ASSERT(block);
      auto* message = new (block) Message;
      message->topicBytes = uint16_t(topic.size());
      message->propertiesBytes = uint32_t(properties.size());
      message->payloadBytes = uint32_t(payload.size());
      message->qos = qos;
      message->retain = retain;
      message->originSession = originSession;
      message->expiresAtMs = expiresAtMs;
      auto* at = reinterpret_cast<uint8_t*>(message + 1);
      for (const Bytes part : {topic, properties, payload}) {
        if (!part.empty()) std::memcpy(at, part.data(), part.size());
        at += part.size();
      }
      kept = MessageRef(message);
    }
    return kept;
  }
};

}  // namespace rally
