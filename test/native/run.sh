#!/usr/bin/env bash
# The C++ tests: every header of native/ but the Node-API and libuv ones, under AddressSanitizer and
# UndefinedBehaviorSanitizer, the corpora of the fuzzers (test/fuzz), the lanes and whole engines once more under
# ThreadSanitizer, and what subscriptions cost without any. Quiet about what passes.
#
#   run.sh              all
#   run.sh TEXT         the cases whose title contains TEXT
#   SEED=n run.sh TEXT  random tests with the seed that failed
set -euo pipefail
cd "$(dirname "$0")/../.."

out=build/native-tests
mkdir -p "$out"
compiler=g++ # it ships its sanitizers; clang needs a package for them
if command -v clang++ >/dev/null && echo 'int main() {}' | clang++ -fsanitize=address -x c++ - -o "$out/probe" 2>/dev/null; then
  compiler=clang++
fi
flags=(-std=c++20 -O1 -g -fno-exceptions -fno-rtti -Wall -Wextra -Wconversion -Wshadow -Werror)
[[ $compiler == clang++ ]] || flags+=(-Wno-tsan) # it warns of fences, which its ThreadSanitizer does not follow

newest=$(find native test/native test/fuzz bench -name '*.h' -printf '%T@\n' | sort -n | tail -1)

# Compiles what is older than its source or than any header, and links: build NAME FLAGS SOURCE...
build() {
  local name=$1 own=$2
  shift 2
  local objects=() source object
  for source in "$@"; do
    object=$out/$name-$(basename "$source" .cpp).o
    objects+=("$object")
    if [[ ! -f $object || $source -nt $object || $(stat -c %Y "$object") < ${newest%.*} ]]; then
      echo "$object $source"
    fi
  done | xargs -r -n 2 -P 2 sh -c '"$0" "$@"' bash -c \
    "$compiler ${flags[*]} $own -c -o \"\$0\" \"\$1\""
  for source in "$@"; do objects+=("$out/$name-$(basename "$source" .cpp).o"); done
  # shellcheck disable=SC2086
  "$compiler" $own -pthread -o "$out/$name" "${objects[@]}"
}

passed=0
failed=0
# Runs a test binary and counts its cases; shows what is not "ok".
run() {
  local log=$out/$1.log status=0
  timeout 300 "$out/$1" "${@:2}" >"$log" 2>&1 || status=$?
  local ok bad
  ok=$(grep -c '^ok ' "$log" || true)
  bad=$(grep -c '^failed ' "$log" || true)
  if ((status != 0 && bad == 0)); then bad=1; fi # it crashed
  passed=$((passed + ok))
  failed=$((failed + bad))
  ((bad == 0)) || grep -v '^ok ' "$log"
}

common=(test/native/main.cpp test/native/hand-driven-broker.cpp)
build address "-fsanitize=address,undefined -fno-sanitize-recover=all" "${common[@]}" test/native/*.test.cpp \
  test/fuzz/replay.cpp test/fuzz/*.fuzz.cpp
run address "${1:-}"
build thread "-fsanitize=thread -fno-sanitize-recover=all" test/native/main.cpp \
  test/native/lanes.test.cpp test/native/engines.test.cpp
run thread "${1:-}"
build cost -O2 "${common[@]}" test/native/subscription-cost.cpp
run cost "${1:-}"
grep -sh '^#' "$out/thread.log" "$out/cost.log" || true

echo "native: $passed passed, $failed failed"
((failed == 0 && passed > 0))
