// Elements in order, which are added at the end and mostly leave near the front:
//
//   [ gone | gone | a | b | c ]        erase(b): what stands before it moves up
//           begin() ^        ^ end()
//
// One that is empty owns no memory, and all of them stand behind one another, so that a million short ones are cheap.
#pragma once
#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include "../assert.h"

namespace rally {

template <class T>
class Row {
 public:
  T* begin() { return all_.data() + gone_; }
  T* end() { return all_.data() + all_.size(); }
  const T* begin() const { return all_.data() + gone_; }
  const T* end() const { return all_.data() + all_.size(); }
  size_t size() const { return all_.size() - gone_; }
  bool isEmpty() const { return size() == 0; }

  void push(T&& value) {
    if (gone_ > 0 && gone_ >= size() && all_.size() == all_.capacity()) closeUp();
    all_.push_back(std::move(value));
  }

  // In steps of what stands before it.
  void erase(T* place) {
    RALLY_ASSERT(begin() <= place && place < end());
    std::move_backward(begin(), place, place + 1);
    *begin() = T();
    gone_++;
    if (!isEmpty()) return;
    all_ = {};
    gone_ = 0;
  }

 private:
  void closeUp() {
    all_.erase(all_.begin(), all_.begin() + std::ptrdiff_t(gone_));
    gone_ = 0;
  }

  std::vector<T> all_;
  size_t gone_ = 0;
};

}  // namespace rally
