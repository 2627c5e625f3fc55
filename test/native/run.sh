#!/usr/bin/env bash
# The C++ tests: every header of native/ but the Node-API and libuv ones, and TLS with the OpenSSL of the machine, under
# AddressSanitizer and UndefinedBehaviorSanitizer, the corpora of the fuzzers (test/fuzz), the lanes, the log and whole
# engines once more under ThreadSanitizer, and without any what subscriptions cost, 100,000 wills at once and the log on
# a disk that loses power. Quiet about what passes.
#
#   run.sh              all
#   run.sh TEXT         the cases whose title contains TEXT; shows how far long ones are
#   SEED=n run.sh TEXT  random tests with the seed that failed
set -euo pipefail
cd "$(dirname "$0")/../.."

out=build/native-tests
mkdir -p "$out"
compiler=g++ # it ships its sanitizers; clang needs a package for them
if command -v clang++ >/dev/null && echo 'int main() {}' | clang++ -fsanitize=address -x c++ - -o "$out/probe" 2>/dev/null; then
  compiler=clang++
fi
flags=(-std=c++20 -g1 -fno-exceptions -fno-rtti -Wall -Wextra -Wconversion -Wshadow -Werror)
[[ $compiler == clang++ ]] || flags+=(-w) # clang warns of less, and it is what CI has

# Whether an object is there and newer than all that it was made of, as the compiler has noted.
is_current() {
  [[ -f $1 && -f ${1%.o}.d ]] || return 1
  local made_of
  made_of=$(sed -e 's/^[^:]*://' -e 's/\\$//' "${1%.o}.d")
  # shellcheck disable=SC2086
  [[ -z $(find $made_of -maxdepth 0 -newer "$1" -print -quit 2>&1) ]] # a header that is gone is printed too
}

# Compiles what is older than what it is made of, and links: build NAME FLAGS SOURCE...
build() {
  local name=$1 own=$2
  shift 2
  local objects=() source object level
  for source in "$@"; do
    object=$out/$name-$(basename "$source" .cpp).o
    objects+=("$object")
    # The broker, which is in headers, is tested sooner if it is not optimised, as that takes most of the time.
    level=-O0
    [[ " ${linked[*]} " != *" $source "* ]] || level=-O1
    is_current "$object" || echo "$object $source $level"
  done | xargs -r -n 3 -P 2 sh -c '"$0" "$@"' bash -c \
    "$compiler ${flags[*]} \"\$2\" $own -MMD -c -o \"\$0\" \"\$1\""
  for source in "$@"; do objects+=("$out/$name-$(basename "$source" .cpp).o"); done
  # shellcheck disable=SC2086
  "$compiler" $own -pthread -o "$out/$name" "${objects[@]}" -Wl,--as-needed -lssl -lcrypto
}

# Those whose names mean something else elsewhere.
apart='test/native/link.test.cpp|test/native/tls-channel.test.cpp|test/fuzz/tls-handshake.fuzz.cpp'
by_hand=test/native/hand-driven-broker.cpp
parts=("$by_hand" test/native/sim-disk.cpp test/native/log-life.cpp) # of tests, without cases
driven='"(hand-driven-broker|census|route-census)\.h"' # a header that brings the whole broker

# Writes some sources as one, in which each test has its own namespace, and gives its path: gather NAME SOURCE... The
# broker, which is in headers, is compiled once for all of them, where each alone would compile it again.
gather() {
  local gathered=$out/$1.cpp source tests=() others=()
  shift
  for source in "$@"; do
    if [[ $source == native/* || " ${parts[*]} " == *" $source "* ]]; then others+=("$source"); else tests+=("$source"); fi
  done
  {
    for source in "${tests[@]}"; do
      sed -n -e "s|^#include \"|&../../$(dirname "$source")/|p" -e '/^#include </p' "$source"
    done | sort -u
    for source in "${tests[@]}"; do
      echo "namespace $(basename "$source" .cpp | tr .- _) {"
      echo "#include \"../../$source\""
      echo '}'
    done
    for source in "${others[@]}"; do echo "#include \"../../$source\""; done
  } >"$gathered.new"
  if cmp --silent "$gathered.new" "$gathered"; then rm "$gathered.new"; else mv "$gathered.new" "$gathered"; fi
  echo "$gathered"
}

secondsMax=2400 # for a process that gets what others leave of the cores
declare -A running=()
# Starts a test binary as so many processes; the next one is built meanwhile: start NAME PROCESSES
start() {
  local part
  for ((part = 0; part < $2; part++)); do
    timeout "$secondsMax" "$out/$1" "$text" "$part" "$2" >"$out/$1.$part.log" 2>&1 &
    running[$1.$part]=$!
  done
}

passed=0
failed=0
# Waits for such a process, if it was started, and counts its cases; shows what is not "ok".
finish() {
  [[ -n ${running[$1]:-} ]] || return 0
  local log=$out/$1.log status=0
  # How far a long run is.
  [[ -z $text ]] || tail -n +1 -f --pid="${running[$1]}" "$log" | grep --line-buffered '^\.\.\. ' || true
  wait "${running[$1]}" || status=$?
  local ok bad
  ok=$(grep -c '^ok ' "$log" || true)
  bad=$(grep -c '^failed ' "$log" || true)
  if ((status != 0 && bad == 0)); then
    bad=1
    echo "$1 ended with status $status (124: it took more than $secondsMax s), after the case that is last in $log"
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  if ((bad > 0)); then
    grep -v -e '^ok ' -e '^\.\.\. ' "$log"
  elif [[ $1 != address.* ]]; then
    grep '^#' "$log" || true
  fi
}

# Of some sources, those that hold the text that was asked for.
text=${1:-}
having() {
  if [[ -z $text ]]; then printf '%s\n' "$@"; else grep -lF -- "$text" "$@" || true; fi
}

runner=test/native/main.cpp
linked=(native/log/*.cpp native/cluster/*.cpp "${parts[@]:1}")
tls=(native/tls/*.cpp)
mapfile -t tests < <(having test/native/*.test.cpp)
mapfile -t fuzzers < <(having test/fuzz/replay.cpp test/fuzz/*.fuzz.cpp)
((${#fuzzers[@]} == 0)) || fuzzers=(test/fuzz/replay.cpp test/fuzz/*.fuzz.cpp)
if [[ -z $text ]]; then
  # What one change asks for is compiled file by file; here all of it is needed.
  # shellcheck disable=SC2046
  mapfile -t tests < <(
    gather driven "$by_hand" $(grep -lE "$driven" "${tests[@]}")
    gather others $(grep -LE "$driven" "${tests[@]}" | grep -vxE "$apart")
    gather fuzzers $(printf '%s\n' test/fuzz/*.fuzz.cpp | grep -vxE "$apart")
    printf '%s\n' "${tests[@]}" "${fuzzers[@]}" | grep -xE "$apart"
  )
  fuzzers=(test/fuzz/replay.cpp)
  linked=("$(gather linked "${linked[@]}")")
  tls=("$(gather tls "${tls[@]}")")
elif ((${#tests[@]} + ${#fuzzers[@]} > 0)); then
  tests+=("$by_hand")
fi
if ((${#tests[@]} + ${#fuzzers[@]} > 0)); then
  # AddressSanitizer finds what the two left out would.
  build address "-fsanitize=address,undefined -fno-sanitize=null,object-size -fno-sanitize-recover=all" \
    "${tests[@]}" "$runner" "${fuzzers[@]}" "${linked[@]}" "${tls[@]}"
  start address 2
fi
mapfile -t tests < <(having test/native/lanes.test.cpp test/native/engines.test.cpp test/native/log.test.cpp)
if ((${#tests[@]} > 0)); then
  build thread "-fsanitize=thread -fno-sanitize-recover=all" "$runner" "${tests[@]}" "${linked[@]}"
  start thread 1
fi
# What costs time or memory, and the log on a disk whose syncs can be left out (native/log/sync-site.h).
mapfile -t tests < <(having test/native/subscription-cost.cpp test/native/mass-wills.cpp test/native/log-crash.cpp)
if ((${#tests[@]} > 0)); then
  build optimised "-O2 -DRALLYMQ_FAULTS" "$runner" "$(gather optimised "${tests[@]}" "$by_hand")" "${linked[@]}"
  start optimised 1
fi

for name in address.0 address.1 thread.0 optimised.0; do finish "$name"; done

echo "native: $passed passed, $failed failed"
((failed == 0 && passed > 0))
