// A list that usually has one element, which is stored in place of the pointer to more.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <type_traits>
#include <utility>

#include "../assert.h"

namespace rally {

template <class T>
class ShortList {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  ShortList() : one_() {}
  ShortList(ShortList&& other) noexcept : ShortList() { swap(other); }
  ShortList& operator=(ShortList other) noexcept {
    swap(other);
    return *this;
  }
  ~ShortList() {
    if (isLong()) std::free(many_);
  }

  size_t size() const { return size_; }
  bool isEmpty() const { return size_ == 0; }
  T* data() { return isLong() ? many_ : &one_; }
  const T* data() const { return isLong() ? many_ : &one_; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](size_t index) {
    RALLY_ASSERT(index < size_);
    return data()[index];
  }
  const T& operator[](size_t index) const {
    RALLY_ASSERT(index < size_);
    return data()[index];
  }
  T& back() { return (*this)[size_ - 1]; }

  // About this many elements will be added.
  void reserve(size_t count) {
    RALLY_ASSERT(count <= UINT32_MAX);
    if (count <= capacity_) return;
    if (isLong()) resize(uint32_t(count));
    else toMany(uint32_t(count));
  }
  void push_back(const T& value) {
    const T copy = value;
    if (size_ == capacity_) grow();
    data()[size_++] = copy;
  }
  // Frees memory when it is three quarters empty.
  void pop_back() {
    RALLY_ASSERT(size_ > 0);
    size_--;
    if (!isLong() || size_ > capacity_ / 4) return;
    if (size_ > 1) {
      resize(capacity_ / 2);
      return;
    }
    T* const many = many_;
    const T left = many[0];
    std::free(many);
    one_ = left;
    capacity_ = 1;
  }
  void clear() { *this = ShortList(); }

 private:
  bool isLong() const { return capacity_ > 1; }
  void grow() {
    if (isLong()) resize(capacity_ * 2);
    else toMany(4);
  }
  void toMany(uint32_t capacity) {
    const T first = one_;
    many_ = nullptr;
    resize(capacity);
    many_[0] = first;
  }
  void resize(uint32_t capacity) {
    void* block = std::realloc(static_cast<void*>(many_), capacity * sizeof(T));
    RALLY_ASSERT(block);
    many_ = static_cast<T*>(block);
    capacity_ = capacity;
  }
  void swap(ShortList& other) noexcept {
    const bool isLongHere = isLong();
    const bool isLongThere = other.isLong();
    T* const many = isLongHere ? many_ : nullptr;
    const T one = isLongHere ? T() : one_;
    if (isLongThere) many_ = other.many_;
    else one_ = other.one_;
    if (isLongHere) other.many_ = many;
    else other.one_ = one;
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  union {
    T one_;
    T* many_;
  };
  uint32_t size_ = 0;
  uint32_t capacity_ = 1;
};

}  // namespace rally
