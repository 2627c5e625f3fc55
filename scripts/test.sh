#!/usr/bin/env bash
# What `npm test` runs: all tests, against a fresh build. `npm test -- test/e2e/wire` runs those alone, as `test:only` does.
set -euo pipefail
cd "$(dirname "$0")/.."
(($# == 0)) || exec npm run --silent test:only -- "$@"

log=$(mktemp)
native_log=$(mktemp)
native=
clean_up() {
  [[ -z $native ]] || kill -- "-$native" 2>/dev/null || true
  rm -f "$log" "$native_log"
}
trap clean_up EXIT

# Both compilers rebuild only what is stale; the native one needs to have been set up by the install once.
build() {
  { [[ -f build/Makefile ]] || npm run --silent install; } && npm run --silent build
}

bash scripts/debian-packages.sh
build >"$log" 2>&1 || { cat "$log" && exit 1; }

# The C++ tests mostly compile, for which they take what the others leave of the cores.
set -m
nice -n 19 bash test/native/run.sh >"$native_log" 2>&1 </dev/null &
native=$!
set +m

status=0
node scripts/run-tests.mjs --together || status=1
echo 'over TLS:'
over_tls=(test/e2e/wire test/conformance/v5.0/3.3 test/conformance/v5.0/4.3 test/conformance/v5.0/6)
RALLYMQ_TEST_TLS=1 node scripts/run-tests.mjs "${over_tls[@]}" || status=1
node scripts/test-nodes.mjs --short || status=1

# They wait more than they compute.
echo 'apart:'
node scripts/run-tests.mjs --apart || status=1

renice -n 0 -g "$native" >/dev/null 2>&1 || true # only root may
wait "$native" || status=1
native=
cat "$native_log"

echo 'alone:'
node scripts/run-tests.mjs --alone || status=1
exit "$status"
