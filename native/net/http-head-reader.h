// Reads the head of an HTTP message, split at any byte, up to the empty line that ends it. Bytes that no head may
// contain are refused at once (RFC 9112, 2.2 and 5.2): a single carriage return or line feed, a control character, a
// folded line.
//
//   [CRLF] request line CRLF | field CRLF | field CRLF | CRLF      body ...
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include "http-text.h"

namespace rally {

class HttpHeadReader {
 public:
  struct Result {
    size_t used = 0;  // of the chunk: the rest is not part of the head
    HttpRefusal refusal;
    bool isComplete = false;
  };

  Result read(Bytes chunk, size_t bytesMax) {
    for (size_t at = 0; at < chunk.size(); at++) {
      if (size_ == bytesMax) return {at, {431, "The head of this request is too large.\n"}};
      size_++;
      const Step step = take(chunk[at]);
      if (step == Step::refused) return {at, {400, "This is not an HTTP/1.1 request.\n"}};
      if (step == Step::next) continue;
      append(chunk.first(at + 1));
      return {at + 1, {}, true};
    }
    append(chunk);
    return {chunk.size(), {}};
  }

  // Including the empty line at its end.
  Bytes bytes() const { return bytes_; }
  // Nothing of a head has arrived yet, except perhaps an empty line before it.
  bool isEmpty() const { return lines_ == 0 && lineBytes_ == 0; }
  void clear() { *this = HttpHeadReader(); }

 private:
  enum class Step : uint8_t { next, complete, refused };

  Step take(uint8_t byte) {
    if (std::exchange(isBehindReturn_, false)) return byte == '\n' ? endLine() : Step::refused;
    if (byte == '\r') {
      isBehindReturn_ = true;
      return Step::next;
    }
    const bool isBlank = byte == ' ' || byte == '\t';
    if ((byte < ' ' && byte != '\t') || byte == 0x7f) return Step::refused;
    if (isBlank && lineBytes_ == 0) return Step::refused;  // before the request line, or a folded field
    lineBytes_++;
    return Step::next;
  }

  Step endLine() {
    const bool isEmptyLine = std::exchange(lineBytes_, 0) == 0;
    if (isEmptyLine && lines_ > 0) return Step::complete;
    if (isEmptyLine) skipped_ = size_;  // some clients end the previous body with one
    else lines_++;
    return Step::next;
  }

  // Keeps the bytes of the head, without the empty lines before it.
  void append(Bytes chunk) {
    const size_t before = size_ - chunk.size();
    const size_t skipped = skipped_ > before ? std::min(skipped_ - before, chunk.size()) : 0;
    if (skipped_ > before) bytes_.clear();
    bytes_.insert(bytes_.end(), chunk.begin() + std::ptrdiff_t(skipped), chunk.end());
  }

  std::vector<uint8_t> bytes_;
  size_t size_ = 0;     // of everything received
  size_t skipped_ = 0;  // of that, empty lines before the head
  size_t lines_ = 0;
  size_t lineBytes_ = 0;
  bool isBehindReturn_ = false;
};

}  // namespace rally
