#!/usr/bin/env bash
# What `npm run conformance` runs: the conformance tests, against a fresh build.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
trap 'rm -f "$log"' EXIT

{ { [[ -f build/Makefile ]] || npm run --silent install; } && npm run --silent build; } >"$log" 2>&1 ||
  { cat "$log" && exit 1; }
node dist/test/conformance/run/main.js "$@"
