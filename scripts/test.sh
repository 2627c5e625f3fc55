#!/usr/bin/env bash
# What `npm test` runs: all tests, against a fresh build.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Both compilers rebuild only what is stale; the native one needs to have been set up by the install once.
build() {
  { [[ -f build/Makefile ]] || npm run --silent install; } && npm run --silent build
}

bash scripts/debian-packages.sh
build >"$log" 2>&1 || { cat "$log" && exit 1; }
node scripts/run-tests.mjs
echo 'over TLS:'
RALLYMQ_TEST_TLS=1 node scripts/run-tests.mjs test/e2e/wire test/conformance/v5.0/3.3 test/conformance/v5.0/4.3 test/conformance/v5.0/6
node scripts/test-nodes.mjs --short
npm run --silent test:native
