// Reads messages back from the log, on a separate thread: a slow disk delays only the sessions that wait for them.
//
//   worker --ask(stubs)--> asked_ --thread: read, check, decode--> done_ of the worker, whose bell is rung --take()-->
//
// A worker has two boxes: one for the messages its sessions wait for (sessions/backlog.h), one for what a checkpoint
// copies (checkpoint.h).
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "../lanes/doorbell.h"
#include "../messages/message.h"
#include "log-clock.h"
#include "records.h"

namespace rally {

struct Fetch {
  uint64_t number = 0;  // chosen by the caller
  std::vector<MessageRef> stubs;
  std::vector<RowPlace> places;      // of each message in the queues, if it is queued
  std::vector<MessageRef> messages;  // one for each stub; absent: unreadable
};

// Reads one message. Belongs to the thread that created it.
class StubReader {
 public:
  StubReader(log::Log& log, const LogClock& clock) : reader_(log.makeReader()), clock_(clock) {}

  // Empty: the message cannot be read, or is not the one represented by the stub.
  MessageRef read(const Message& stub) {
    for (LogPlace place = stub.logPlace();;) {
      MessageRef message = readAt(stub, place);
      reader_->trim();
      if (message) return message;
      // A checkpoint may have copied it and given up the old place in the meantime.
      const LogPlace now = stub.logPlace();
      if (now == place) return {};
      place = now;
    }
  }

 private:
  MessageRef readAt(const Message& stub, LogPlace place) {
    if (place.isNowhere() || place.isTicket() || place.isUnreadable()) return {};
    log::Found found;
    if (reader_->read(place.position(), found) != log::ReadStatus::found) return {};
    if (records::isInCheckpoint(found.kind)) found.kind = records::outsideCheckpoint(found.kind);
    records::Message record;
    if (!decodeMessage(found, record) || record.id != stub.logId) return {};
    Publication publication;
    publication.topic = record.topic;
    publication.properties = record.properties;
    publication.payload = record.payload;
    publication.originSession = record.origin;
    publication.expiresAtMs = clock_.toEngineExpiry(record.expiresAtMs);
    publication.qos = record.qos;
    publication.retain = (record.flags & records::Message::isRetainMarked) != 0;
    publication.workers = stub.workers;
    publication.logId = record.id;
    publication.logPlace = place;
    MessageRef message = publication.keep();
    return message->blockBytes() == stub.blockBytes() ? message : MessageRef();
  }

  // Of either record that has one.
  static bool decodeMessage(const log::Found& found, records::Message& record) {
    records::Brought brought;
    if (!log::decode(found, brought)) return log::decode(found, record);
    record.id = brought.id;
    record.flags = brought.isRetainMarked != 0 ? records::Message::isRetainMarked : 0;
    record.qos = brought.qos;
    record.origin = brought.origin;
    record.expiresAtMs = brought.expiresAtMs;
    record.topic = brought.topic;
    record.properties = brought.properties;
    record.payload = brought.payload;
    return true;
  }

  const std::unique_ptr<log::Reader> reader_;
  const LogClock& clock_;
};

class Fetching {
 public:
  enum class Box : uint8_t { sessions, checkpoint, count };

  Fetching(log::Log& log, const LogClock& clock, unsigned workers)
      : reader_(log, clock), boxes_(workers * size_t(Box::count)), bells_(workers) {}
  ~Fetching() { stop(); }
  Fetching(const Fetching&) = delete;
  Fetching& operator=(const Fetching&) = delete;

  // The doorbell to ring when something has been read.
  void setBell(unsigned worker, Doorbell& bell) { bells_[worker] = &bell; }

  void start() {
    thread_ = std::thread([this] { run(); });
  }
  // Requests from now on will not be served.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      isStopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  void ask(unsigned worker, Box box, Fetch fetch) {
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back({worker, box, std::move(fetch)});
    }
    wake_.notify_one();
  }
  // The next fetch requested there. False: nothing has been read so far.
  bool take(unsigned worker, Box box, Fetch& fetch) {
    Done& done = doneIn(worker, box);
    if (!done.isAny.load(std::memory_order_acquire)) return false;
    const std::lock_guard lock(mutex_);
    fetch = std::move(done.fetches.front());
    done.fetches.pop_front();
    if (done.fetches.empty()) done.isAny.store(false, std::memory_order_relaxed);
    return true;
  }
  bool hasAny(unsigned worker, Box box) { return doneIn(worker, box).isAny.load(std::memory_order_acquire); }

  // For tests, without a thread: reads the oldest request. False: there was none.
  bool step() {
    Asked next;
    {
      const std::lock_guard lock(mutex_);
      if (asked_.empty()) return false;
      next = std::move(asked_.front());
      asked_.pop_front();
    }
    serve(std::move(next));
    return true;
  }

 private:
  struct Asked {
    unsigned worker = 0;
    Box box = Box::sessions;
    Fetch fetch;
  };
  struct Done {
    std::atomic<bool> isAny{false};
    std::deque<Fetch> fetches;
  };

  Done& doneIn(unsigned worker, Box box) { return boxes_[worker * size_t(Box::count) + size_t(box)]; }

  void run() {
    for (;;) {
      while (step()) {}
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return isStopping_ || !asked_.empty(); });
      if (isStopping_) return;
    }
  }
  void serve(Asked asked) {
    for (const MessageRef& stub : asked.fetch.stubs) asked.fetch.messages.push_back(reader_.read(*stub.get()));
    {
      const std::lock_guard lock(mutex_);
      Done& done = doneIn(asked.worker, asked.box);
      done.fetches.push_back(std::move(asked.fetch));
      done.isAny.store(true, std::memory_order_release);
    }
    if (bells_[asked.worker]) bells_[asked.worker]->ring();
  }

  StubReader reader_;
  std::vector<Done> boxes_;
  std::vector<Doorbell*> bells_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Asked> asked_;
  bool isStopping_ = false;
  std::thread thread_;
};

}  // namespace rally
