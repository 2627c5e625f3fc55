// The body of an HTTP message as it arrives: where it ends, and its data (RFC 9112, 6 and 7.1).
#pragma once
#include <algorithm>

#include "http-text.h"

namespace rally {

class HttpBody {
 public:
  static HttpBody none() { return HttpBody(); }
  static HttpBody ofLength(uint64_t bytes) {
    HttpBody body;
    body.state_ = bytes == 0 ? State::complete : State::data;
    body.left_ = bytes;
    return body;
  }
  static HttpBody chunked() {
    HttpBody body;
    body.isChunked_ = true;
    body.state_ = State::size;
    return body;
  }
  static HttpBody untilEnd() { return ofLength(UINT64_MAX); }

  bool isChunked() const { return isChunked_; }
  bool isComplete() const { return state_ == State::complete; }
  bool isBroken() const { return state_ == State::broken; }
  // Of data, so far.
  uint64_t dataBytes() const { return dataBytes_; }

  // Takes the body's bytes from the front of the chunk and returns their number; calls `onData(bytes)` for their data.
  template <class OnData>
  size_t read(Bytes chunk, OnData&& onData) {
    size_t at = 0;
    while (at < chunk.size() && !isComplete() && !isBroken()) {
      if (state_ != State::data) {
        takeFraming(chunk[at++]);
        continue;
      }
      const size_t count = size_t(std::min<uint64_t>(left_, chunk.size() - at));
      onData(chunk.subspan(at, count));
      at += count;
      left_ -= count;
      dataBytes_ += count;
      if (left_ == 0) state_ = isChunked_ ? State::dataReturn : State::complete;
    }
    return at;
  }

 private:
  // A chunk is  size [; extension] CRLF data CRLF;  the last has size 0 and no data, but trailer lines, ending with an
  // empty one.
  enum class State : uint8_t {
    size,
    extension,
    sizeFeed,  // the line feed behind the size
    data,
    dataReturn,
    dataFeed,
    trailer,      // at the beginning of a line
    trailerLine,  // in one
    trailerFeed,
    lastFeed,
    complete,
    broken,
  };
  static constexpr int sizeDigitsMax = 8;
  static constexpr uint32_t extrasBytesMax = 4'096;  // of all extensions and trailer lines, which are not used

  static int digitOf(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    const char small = lower(char(byte));
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
  }

  void takeFraming(uint8_t byte) {
    switch (state_) {
      case State::size: takeSize(byte); break;
      case State::extension: state_ = byte == '\r' ? State::sizeFeed : extra(byte, State::extension); break;
      case State::sizeFeed:
        digits_ = 0;
        expect(byte, '\n', left_ == 0 ? State::trailer : State::data);
        break;
      case State::dataReturn: expect(byte, '\r', State::dataFeed); break;
      case State::dataFeed: expect(byte, '\n', State::size); break;
      case State::trailer: state_ = byte == '\r' ? State::lastFeed : extra(byte, State::trailerLine); break;
      case State::trailerLine: state_ = byte == '\r' ? State::trailerFeed : extra(byte, State::trailerLine); break;
      case State::trailerFeed: expect(byte, '\n', State::trailer); break;
      case State::lastFeed: expect(byte, '\n', State::complete); break;
      case State::data:
      case State::complete:
      case State::broken: break;
    }
  }

  void takeSize(uint8_t byte) {
    const int digit = digitOf(byte);
    if (digit >= 0) {
      left_ = digits_ == 0 ? uint64_t(digit) : left_ << 4 | uint64_t(digit);
      if (++digits_ > sizeDigitsMax) state_ = State::broken;
    } else if (digits_ == 0) {
      state_ = State::broken;
    } else if (byte == '\r') {
      state_ = State::sizeFeed;
    } else {
      state_ = byte == ';' ? State::extension : State::broken;
    }
  }

  State extra(uint8_t byte, State next) {
    const bool isControl = (byte < ' ' && byte != '\t') || byte == 0x7f;
    return isControl || ++extrasBytes_ > extrasBytesMax ? State::broken : next;
  }

  void expect(uint8_t byte, char wanted, State next) { state_ = byte == uint8_t(wanted) ? next : State::broken; }

  State state_ = State::complete;
  bool isChunked_ = false;
  int digits_ = 0;
  uint32_t extrasBytes_ = 0;
  uint64_t left_ = 0;  // of the data of the body, or of the chunk
  uint64_t dataBytes_ = 0;
};

}  // namespace rally
