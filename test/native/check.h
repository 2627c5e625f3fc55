// A test runner in one header. TEST registers a case; CHECK and CHECK_EQ report with file and line and go
// on, giving whether they held; eachSeed() repeats a random test and says which seed failed.
//
//   binary              runs all cases: "ok TITLE" or "failed TITLE" a line
//   binary TEXT         runs those whose title contains TEXT
//   SEED=n binary ...   random tests with this seed alone
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "random.h"

namespace check {

struct Case {
  const char* title;
  void (*run)();
};

struct State {
  std::vector<Case> cases;
  size_t failures = 0;    // of the case that runs
  uint64_t seed = 0;      // of the random test that runs; 0: none
};

inline State& state() {
  static State instance;
  return instance;
}

struct Registration {
  Registration(const char* title, void (*run)()) { state().cases.push_back({title, run}); }
};

// The first few failures of a case say enough.
constexpr size_t failuresShown = 5;

inline bool report(const char* file, int line, const std::string& what) {
  if (++state().failures > failuresShown) return false;
  std::printf("%s:%d: %s", file, line, what.c_str());
  if (state().seed != 0) std::printf("   (SEED=%llu)", static_cast<unsigned long long>(state().seed));
  std::printf("\n");
  std::fflush(stdout);
  return false;
}

template <class T>
constexpr bool isNumber = std::is_integral_v<T> || std::is_enum_v<T>;

template <class T>
std::string describe(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<long long>(value));
  } else if constexpr (std::is_integral_v<T>) {
    return std::to_string(value);
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return "\"" + std::string(std::string_view(value)) + "\"";
  } else if constexpr (requires { value.begin(); value.size(); *value.begin(); }) {
    std::string text = "[" + std::to_string(value.size()) + ":";
    size_t count = 0;
    for (const auto& each : value) {
      if (count++ == 40) return text + " ...]";
      text += " " + describe(each);
    }
    return text + "]";
  } else {
    return "?";
  }
}

template <class A, class B>
bool isEqual(const A& a, const B& b) {
  if constexpr (isNumber<A> && isNumber<B> && !std::is_same_v<A, bool> && !std::is_same_v<B, bool>) {
    return static_cast<__int128>(a) == static_cast<__int128>(b);  // whatever the signs
  } else {
    return a == b;
  }
}

template <class A, class B>
bool equal(const A& a, const B& b, const char* text, const char* file, int line) {
  if (isEqual(a, b)) return true;
  return report(file, line, std::string(text) + ": " + describe(a) + " is not " + describe(b));
}

// Calls `test(random)` with `count` seeds, until one fails.
template <class Test>
void eachSeed(uint64_t count, Test&& test) {
  const char* chosen = std::getenv("SEED");
  const uint64_t first = chosen ? std::strtoull(chosen, nullptr, 10) : 1;
  for (uint64_t seed = first; seed < first + (chosen ? 1 : count) && state().failures == 0; seed++) {
    state().seed = seed;
    Random random(seed);
    test(random);
  }
  state().seed = 0;
}

inline int runAll(const char* wanted) {
  bool isSound = true;
  for (const Case& each : state().cases) {
    if (!std::strstr(each.title, wanted)) continue;
    state().failures = 0;
    state().seed = 0;
    each.run();
    std::printf("%s %s\n", state().failures == 0 ? "ok" : "failed", each.title);
    std::fflush(stdout);
    isSound = isSound && state().failures == 0;
  }
  return isSound ? 0 : 1;
}

}  // namespace check

#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)

#define TEST_(title, name)                                            \
  static void name();                                                 \
  static const check::Registration CHECK_JOIN(name, _case)(title, name); \
  static void name()
#define TEST(title) TEST_(title, CHECK_JOIN(test_, __LINE__))

#define CHECK(condition) ((condition) ? true : check::report(__FILE__, __LINE__, "not so: " #condition))
#define FAIL(what) check::report(__FILE__, __LINE__, what)
#define CHECK_EQ(a, b) check::equal((a), (b), #a " == " #b, __FILE__, __LINE__)
