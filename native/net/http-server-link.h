// A connection from the door to the HTTP server on the main thread, for one client and one request at a time. A
// response is parsed only to find its end, and forwarded to the client as it arrives.
#pragma once
#include <sys/un.h>

#include <cstring>
#include <string>

#include "http-forward.h"
#include "http-head-reader.h"
#include "stream.h"

namespace rally {

class HttpServerLinkOutlet {
 public:
  // Bytes for the client.
  virtual void onAnswer(Bytes bytes) = 0;
  // The answer is complete. `keepsAlive`: the client can tell without seeing the end of its connection.
  // `isOver`: the link has ended.
  virtual void onAnswered(bool keepsAlive, bool isOver) = 0;
  // There is room for bytes to the server again.
  virtual void onServerReady() = 0;
  // The link has ended. `hasBegun`: a part of the response has arrived.
  virtual void onServerGone(bool hasBegun) = 0;

 protected:
  ~HttpServerLinkOutlet() = default;
};

class HttpServerLink final : public StreamOwner {
 public:
  struct Opened {
    HttpServerLink* link = nullptr;
    bool isBusy = false;  // none is available now, but one will be soon
  };

  // The accept queue of a Unix socket is short, and a burst fills it before the main thread gets a turn.
  static Opened open(StreamLoop& loop, const std::string& path, std::span<uint8_t> input,
                     HttpServerLinkOutlet& outlet) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) return {};
    std::memcpy(address.sun_path, path.data(), path.size());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return {.isBusy = errno == EMFILE || errno == ENFILE};
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      const bool isBusy = errno == EAGAIN;
      ::close(fd);
      return {.isBusy = isBusy};
    }
    auto* stream = new Stream(loop, fd);
    auto link = std::unique_ptr<HttpServerLink>(new HttpServerLink(*stream, input, outlet));
    HttpServerLink* opened = link.get();
    (void)stream->handOver(std::move(link));
    opened->watch();
    return {.link = opened};
  }

  // A request begins: its head, and the form of its response to the client. `hasBody`: the head is sent with the first
  // bytes of the body, or by flush(), to wake the server only once.
  void begin(Bytes head, bool isHead, bool takesChunks, bool keepsAlive, bool hasBody) {
    isBusy_ = true;
    isHead_ = isHead;
    takesChunks_ = takesChunks;
    keepsAlive_ = keepsAlive;
    hasBegun_ = false;
    answerHead_.clear();
    isInBody_ = false;
    if (!hasBody || !unsent_.empty()) {
      send(head);
    } else if (!isGone_) {
      unsent_.append(asText(head));
      isHeldBack_ = true;
    }
  }

  // More bytes of the request.
  void send(Bytes bytes) {
    if (isGone_) return;
    if (isHeldBack_) {
      unsent_.append(asText(bytes));
      flush();
      return;
    }
    if (unsent_.empty()) {
      const Transferred sent = stream_.send(bytes);
      if (sent.state != StreamState::open) return;  // reading will report it
      bytes = bytes.subspan(sent.bytes);
    }
    unsent_.append(asText(bytes));
    watch();
  }
  // No more bytes of the request are available now.
  void flush() {
    if (isGone_ || !std::exchange(isHeldBack_, false)) return;
    const Transferred sent = stream_.send(asBytes(unsent_));
    if (sent.state != StreamState::open) return;  // as above
    unsent_.erase(0, sent.bytes);
    watch();
  }
  // False: further bytes wait for the server.
  bool hasRoom() const { return unsent_.empty(); }

  // A response that has begun continues as long as it has a recipient: the server always states the length otherwise.
  bool isStream() const { return isInBody_ && body_.isChunked(); }

  // Whether the client has room for more of the response.
  void setReading(bool isReading) {
    isReading_ = isReading;
    watch();
  }

  // No client waits for it any more.
  void leave() {
    isGone_ = true;
    stream_.close();  // and this object is deleted in one of the next turns
  }

  void onReadable() override {
    const Transferred got = stream_.receive(input_);
    if (got.state == StreamState::broken) {
      fail();
      return;
    }
    if (got.state != StreamState::open) {
      onEnd();
      return;
    }
    if (got.bytes > 0) take(Bytes(input_).first(got.bytes));
  }

  void onWritable() override {
    isHeldBack_ = false;
    const Transferred sent = stream_.send(asBytes(unsent_));
    if (sent.state != StreamState::open) {
      fail();
      return;
    }
    unsent_.erase(0, sent.bytes);
    watch();
    if (unsent_.empty()) outlet_.onServerReady();
  }

  void onBroken() override { fail(); }

 private:
  static constexpr size_t headBytesMax = 65'536;  // of an answer of our own server

  HttpServerLink(Stream& stream, std::span<uint8_t> input, HttpServerLinkOutlet& outlet)
      : stream_(stream), input_(input), outlet_(outlet) {}

  void watch() { stream_.watch(isReading_, !unsent_.empty()); }

  void fail() {
    if (isGone_) return;
    leave();
    outlet_.onServerGone(isBusy_ && hasBegun_);
  }

  // The server has closed, which ends a response without any other end.
  void onEnd() {
    if (!isBusy_ || !isInBody_ || !endsWithStream_) {
      fail();
      return;
    }
    leave();
    outlet_.onAnswered(false, true);
  }

  void take(Bytes bytes) {
    out_.clear();
    bool isComplete = false;
    while (!bytes.empty() && !isComplete) {
      if (!isBusy_) {
        fail();  // unsolicited
        return;
      }
      if (!isInBody_) {
        const HttpHeadReader::Result result = answerHead_.read(bytes, headBytesMax);
        bytes = bytes.subspan(result.used);
        if (result.refusal || (result.isComplete && !beginBody())) {
          fail();
          return;
        }
        if (!isInBody_) continue;
      }
      const bool isChunked = body_.isChunked() && takesChunks_;
      bytes = bytes.subspan(body_.read(bytes, [&](Bytes data) { HttpForward::appendData(out_, data, isChunked); }));
      if (body_.isBroken()) {
        fail();
        return;
      }
      isComplete = body_.isComplete();
      if (isComplete) HttpForward::appendEnd(out_, isChunked);
    }
    if (!bytes.empty()) serverKeepsAlive_ = false;
    const std::string out = std::exchange(out_, {});
    hasBegun_ |= !out.empty();
    if (isComplete) endAnswer(out);
    else if (!out.empty()) outlet_.onAnswer(asBytes(out));
  }

  void endAnswer(const std::string& out) {
    isBusy_ = false;
    isInBody_ = false;
    outlet_.onAnswer(asBytes(out));
    if (!serverKeepsAlive_) leave();
    outlet_.onAnswered(keepsAlive_, isGone_);
  }

  // The head of a response is complete. False: it is invalid.
  bool beginBody() {
    HttpResponse response;
    if (!HttpHead::parse(answerHead_.bytes(), response)) return false;
    const bool isPreliminary = response.status < 200;
    if (!isPreliminary) {
      const bool hasNoBody = isHead_ || response.status == 204 || response.status == 304;
      endsWithStream_ = !hasNoBody && !response.isChunked && !response.hasLength;
      body_ = hasNoBody            ? HttpBody::none()
              : response.isChunked ? HttpBody::chunked()
              : response.hasLength ? HttpBody::ofLength(response.contentLength)
                                   : HttpBody::untilEnd();
      serverKeepsAlive_ = response.keepsAlive && !endsWithStream_;
      if (endsWithStream_ || (response.isChunked && !hasNoBody && !takesChunks_)) keepsAlive_ = false;
      HttpForward::appendResponse(out_, response, response.isChunked && takesChunks_, keepsAlive_);
      isInBody_ = true;
    }
    answerHead_.clear();
    return true;
  }

  Stream& stream_;
  const std::span<uint8_t> input_;  // the thread's read buffer
  HttpServerLinkOutlet& outlet_;
  std::string unsent_;  // of the request
  std::string out_;     // of the answer, for the client
  HttpHeadReader answerHead_;
  HttpBody body_;
  bool isBusy_ = false;  // a request was sent but not answered
  bool isGone_ = false;
  bool isHeldBack_ = false;  // unsent bytes wait for more
  bool isReading_ = true;
  bool isHead_ = false;
  bool takesChunks_ = true;
  bool keepsAlive_ = true;        // the client's connection, after this answer
  bool serverKeepsAlive_ = true;  // this connection
  bool hasBegun_ = false;
  bool isInBody_ = false;
  bool endsWithStream_ = false;
};

}  // namespace rally
