// The fuzzers under libFuzzer: FUZZER=NAME says which one, since unknown flags are not ours to take. `FUZZER=list`
// prints their names.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fuzz.h"

namespace check {

State& state() {
  static State instance;
  return instance;
}

// The first thing that does not hold ends the process: libFuzzer keeps the input.
bool report(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
  std::abort();
}
bool reportUnequal(const char* file, int line, const char* what, __int128 a, __int128 b) {
  std::fprintf(stderr, "%lld is not %lld\n", static_cast<long long>(a), static_cast<long long>(b));
  return report(file, line, what);
}
bool reportUnequal(const char* file, int line, const char* what, std::string_view a, std::string_view b) {
  std::fprintf(stderr, "\"%s\" is not \"%s\"\n", std::string(a).c_str(), std::string(b).c_str());
  return report(file, line, what);
}

}  // namespace check

namespace fuzz {

namespace {

std::vector<Fuzzer>& all() {
  static std::vector<Fuzzer> fuzzers;
  return fuzzers;
}
Run chosen = nullptr;

}  // namespace

Registration::Registration(const char* name, Run run, void (*)()) { all().push_back({name, run}); }

void replay(const char*, Run) {}

}  // namespace fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* wanted = std::getenv("FUZZER");
  if (!wanted) wanted = "";
  if (std::strcmp(wanted, "list") == 0) {
    std::vector<std::string> names;
    for (const fuzz::Fuzzer& each : fuzz::all()) names.push_back(each.name);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) std::printf("%s\n", name.c_str());
    std::fflush(stdout);
    std::_Exit(0);
  }
  for (const fuzz::Fuzzer& each : fuzz::all()) {
    if (std::strcmp(each.name, wanted) == 0) fuzz::chosen = each.run;
  }
  if (fuzz::chosen) return 0;
  std::fprintf(stderr, "There is no fuzzer \"%s\". FUZZER=list prints the names.\n", wanted);
  std::_Exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  check::Random input(Bytes(bytes, size));
  fuzz::chosen(input);
  return 0;
}
