// A fuzzer is one file: FUZZ("name") and a body that takes its choices, or raw bytes with rest(), from `input` and
// CHECKs what must hold. It runs in two binaries:
//
//   the C++ tests      every file of test/fuzz/corpus/NAME (replay.cpp); without any, a few random inputs
//   npm run fuzz       libFuzzer looks for new inputs (libfuzzer.cpp)
//
// `npm run fuzz -- --merge NAME` makes or renews the corpus. There is nothing else to register.
#pragma once
#include "../native/check.h"
#include "../native/octets.h"

namespace fuzz {

using Run = void (*)(check::Random& input);

struct Fuzzer {
  const char* name;
  Run run;
};

// In the libFuzzer binary.
struct Registration {
  Registration(const char* name, Run run, void (*replay)());
};

// Runs the corpus of a fuzzer as a test case.
void replay(const char* name, Run run);

// A few levels, so that topics and filters meet, among them the ones with rules of their own.
inline std::string topicFrom(check::Random& input) {
  static const std::vector<std::string> levels = {"a", "b", "", "long level", "$SYS", "c"};
  std::string topic = input.pick(levels);
  for (size_t more = input.below(5); more > 0; more--) topic += "/" + input.pick(levels);
  return topic.empty() ? "/" : topic;
}
inline std::string filterFrom(check::Random& input) {
  const std::vector<std::string> levels = levelsOf(topicFrom(input));
  const uint8_t singles = input.byte();  // bit i: level i is `+`
  std::string filter;
  for (size_t i = 0; i < levels.size(); i++) filter += (i > 0 ? "/" : "") + ((singles >> i & 1) ? "+" : levels[i]);
  switch (input.below(8)) {
    case 0: return "#";
    case 1:
    case 2: return filter + "/#";
    default: return filter;
  }
}

}  // namespace fuzz

#define FUZZ_(title, name)                                                                                   \
  static void name(check::Random& input);                                                                    \
  static const fuzz::Registration CHECK_JOIN(name, _fuzzer)(title, name, [] { fuzz::replay(title, name); }); \
  static void name(check::Random& input)
#define FUZZ(title) FUZZ_(title, CHECK_JOIN(fuzz_, __LINE__))
