#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "check.h"

namespace check {

namespace {

// The first few failures of a case say enough.
constexpr size_t failuresShown = 5;

}  // namespace

State& state() {
  static State instance;
  return instance;
}

Registration::Registration(const char* title, void (*run)()) { state().cases.push_back({title, run}); }

bool report(const char* file, int line, const char* what) {
  if (++state().failures > failuresShown) return false;
  std::printf("%s:%d: %s", file, line, what);
  if (state().seed != 0) std::printf("   (SEED=%llu)", static_cast<unsigned long long>(state().seed));
  std::printf("\n");
  std::fflush(stdout);
  return false;
}

bool reportUnequal(const char* file, int line, const char* what, __int128 a, __int128 b) {
  return report(file, line,
                (std::string(what) + ": " + std::to_string(static_cast<long long>(a)) + " is not " +
                 std::to_string(static_cast<long long>(b)))
                    .c_str());
}

bool reportUnequal(const char* file, int line, const char* what, std::string_view a, std::string_view b) {
  return report(file, line,
                (std::string(what) + ": \"" + std::string(a) + "\" is not \"" + std::string(b) + "\"").c_str());
}

Seeds seedsOf(uint64_t count) {
  const char* chosen = std::getenv("SEED");
  const uint64_t first = chosen ? std::strtoull(chosen, nullptr, 10) : 1;
  return {first, first + (chosen ? 1 : count)};
}

}  // namespace check

// main [TEXT [PART PARTS]]: the cases whose title contains TEXT, or every PARTS-th of them.
int main(int count, char** arguments) {
  const char* wanted = count > 1 ? arguments[1] : "";
  const int part = count > 3 ? std::atoi(arguments[2]) : 0;
  const int parts = count > 3 ? std::atoi(arguments[3]) : 1;
  check::State& state = check::state();
  bool isSound = true;
  int found = 0;
  for (const check::Case& each : state.cases) {
    if (!std::strstr(each.title, wanted) || found++ % parts != part) continue;
    state.failures = 0;
    state.seed = 0;
    each.run();
    std::printf("%s %s\n", state.failures == 0 ? "ok" : "failed", each.title);
    std::fflush(stdout);
    isSound = isSound && state.failures == 0;
  }
  return isSound ? 0 : 1;
}
