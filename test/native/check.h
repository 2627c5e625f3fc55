// A test runner. TEST registers a case; CHECK and CHECK_EQ report with file and line and go on, giving
// whether they held; eachSeed() repeats a random test and says which seed failed.
//
//   binary              runs all cases: "ok TITLE" or "failed TITLE" a line
//   binary TEXT         runs those whose title contains TEXT
//   SEED=n binary ...   random tests with this seed alone
//
// What is long stands in main.cpp: these lines are compiled a thousand times.
#pragma once
#include <cstdint>
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
  size_t failures = 0;  // of the case that runs
  uint64_t seed = 0;    // of the random test that runs; 0: none
};
State& state();

struct Registration {
  Registration(const char* title, void (*run)());
};

// All give false.
bool report(const char* file, int line, const char* what);
bool reportUnequal(const char* file, int line, const char* what, __int128 a, __int128 b);
bool reportUnequal(const char* file, int line, const char* what, std::string_view a, std::string_view b);

template <class A, class B>
bool equal(const A& a, const B& b, const char* what, const char* file, int line) {
  constexpr bool areNumbers = (std::is_integral_v<A> || std::is_enum_v<A>)&&(std::is_integral_v<B> ||
                                                                             std::is_enum_v<B>);
  if constexpr (areNumbers) {  // whatever their signs
    return static_cast<__int128>(a) == static_cast<__int128>(b) ||
           reportUnequal(file, line, what, static_cast<__int128>(a), static_cast<__int128>(b));
  } else {
    return a == b || reportUnequal(file, line, what, std::string_view(a), std::string_view(b));
  }
}

// The seeds that a random test goes through: first, one after the last.
struct Seeds {
  uint64_t first;
  uint64_t end;
};
Seeds seedsOf(uint64_t count);

// Calls `test(random)` with `count` seeds, until one fails.
template <class Test>
void eachSeed(uint64_t count, Test&& test) {
  const Seeds seeds = seedsOf(count);
  for (uint64_t seed = seeds.first; seed < seeds.end && state().failures == 0; seed++) {
    state().seed = seed;
    Random random(seed);
    test(random);
  }
  state().seed = 0;
}

}  // namespace check

#define CHECK_JOIN_(a, b) a##b
#define CHECK_JOIN(a, b) CHECK_JOIN_(a, b)

#define TEST_(title, name)                                               \
  static void name();                                                    \
  static const check::Registration CHECK_JOIN(name, _case)(title, name); \
  static void name()
#define TEST(title) TEST_(title, CHECK_JOIN(test_, __LINE__))

#define CHECK(condition) ((condition) ? true : check::report(__FILE__, __LINE__, "not so: " #condition))
#define FAIL(what) check::report(__FILE__, __LINE__, what)
#define CHECK_EQ(a, b) check::equal((a), (b), #a " == " #b, __FILE__, __LINE__)
