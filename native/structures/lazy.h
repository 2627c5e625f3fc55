// An object that most of its owners do not need: a pointer, until it is changed. Until then it reads like a new one.
#pragma once
#include <utility>

namespace rally {

template <class T>
class Lazy {
 public:
  Lazy() = default;
  Lazy(Lazy&& other) noexcept : object_(std::exchange(other.object_, &none)) {}
  Lazy& operator=(Lazy other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Lazy() { reset(); }

  bool isMade() const { return object_ != &none; }
  const T& look() const { return *object_; }
  const T* operator->() const { return object_; }
  // To change it.
  T& own() {
    if (!isMade()) [[unlikely]]
      object_ = new T();
    return *const_cast<T*>(object_);  // which was not made const
  }
  // It is like a new one from now on.
  void reset() {
    if (isMade()) delete std::exchange(object_, &none);
  }

 private:
  static inline const T none{};

  const T* object_ = &none;
};

}  // namespace rally
