// The names of an enumeration's values, from the compiler: TypeScript compares them with its own.
#pragma once
#include <array>
#include <string_view>
#include <utility>

namespace rally {

// "connections" for Counter::connections.
template <auto Value>
constexpr std::string_view enumName() {
  std::string_view name = __PRETTY_FUNCTION__;  // ... [Value = rally::Counter::connections] or [with auto Value = ...]
  name = name.substr(0, name.find_first_of(";]", name.find("Value = ")));
  return name.substr(name.rfind(':') + 1);
}

// Of all values from 0 to before `End`, in order.
template <class Enum, Enum End>
constexpr auto enumNames() {
  return []<size_t... Index>(std::index_sequence<Index...>) { return std::array{enumName<Enum(Index)>()...}; }
  (std::make_index_sequence<size_t(End)>());
}

}  // namespace rally
