// The members of a struct, one after the other, without a list of them, so that none can be forgotten.
//
//   struct Passed { uint8_t kind; uint64_t token; };      eachField(passed, visit)  ->  visit(kind), visit(token)
#pragma once
#include <cstddef>
#include <type_traits>

namespace rally {

namespace detail {

struct AnyField {
  template <class T>
  operator T() const;  // never called
};

// The number of members.
template <class T, class... Fields>
consteval size_t fieldCount() {
  if constexpr (requires { T{Fields()..., AnyField()}; }) return fieldCount<T, Fields..., AnyField>();
  else return sizeof...(Fields);
}

}  // namespace detail

// For a struct without base classes and constructors.
template <class T, class Visit>
constexpr void eachField(T& of, Visit&& visit) {
  constexpr size_t count = detail::fieldCount<std::remove_const_t<T>>();
  static_assert(std::is_aggregate_v<T> && count > 0 && count <= 9);
  const auto all = [&](auto&... fields) { (visit(fields), ...); };
  if constexpr (count == 1) {
    auto& [a] = of;
    all(a);
  } else if constexpr (count == 2) {
    auto& [a, b] = of;
    all(a, b);
  } else if constexpr (count == 3) {
    auto& [a, b, c] = of;
    all(a, b, c);
  } else if constexpr (count == 4) {
    auto& [a, b, c, d] = of;
    all(a, b, c, d);
  } else if constexpr (count == 5) {
    auto& [a, b, c, d, e] = of;
    all(a, b, c, d, e);
  } else if constexpr (count == 6) {
    auto& [a, b, c, d, e, f] = of;
    all(a, b, c, d, e, f);
  } else if constexpr (count == 7) {
    auto& [a, b, c, d, e, f, g] = of;
    all(a, b, c, d, e, f, g);
  } else if constexpr (count == 8) {
    auto& [a, b, c, d, e, f, g, h] = of;
    all(a, b, c, d, e, f, g, h);
  } else {
    auto& [a, b, c, d, e, f, g, h, i] = of;
    all(a, b, c, d, e, f, g, h, i);
  }
}

}  // namespace rally
