// The fuzzers as test cases: each runs the inputs of its corpus, whose names are shown when one fails.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz.h"

extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace fuzz {

namespace {

// Of a fuzzer that has no corpus yet.
constexpr uint64_t randomInputs = 50;
constexpr size_t randomBytesMax = 400;

std::string running;  // the input

void tellRunning() { std::fprintf(stderr, "It was %s\n", running.c_str()); }

void runOne(const std::string& what, Run run, const Octets& bytes) {
  running = what;
  const Exact exact(bytes);
  check::Random input{Bytes(exact)};
  const size_t before = check::state().failures;
  run(input);
  if (check::state().failures > before) std::printf("   with %s\n", what.c_str());
}

}  // namespace

Registration::Registration(const char* name, Run, void (*replay)()) {
  static std::vector<std::unique_ptr<std::string>> titles;  // a Case keeps no more than the address
  titles.push_back(std::make_unique<std::string>("fuzz: " + std::string(name) + ": every input of its corpus"));
  const check::Registration registered(titles.back()->c_str(), replay);
}

void replay(const char* name, Run run) {
  if (__sanitizer_set_death_callback) __sanitizer_set_death_callback(tellRunning);
  std::signal(SIGABRT, [](int) { tellRunning(); });  // an assertion
  const std::filesystem::path folder = std::filesystem::path("test/fuzz/corpus") / name;
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  runOne("no bytes", run, {});
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    runOne(file.string(), run, Octets(std::istreambuf_iterator<char>(stream), {}));
  }
  if (!files.empty()) return;
  for (uint64_t seed = 1; seed <= randomInputs; seed++) {
    check::Random random(seed);
    runOne("the random bytes of seed " + std::to_string(seed), run, random.bytes(random.below(randomBytesMax)));
  }
}

}  // namespace fuzz
