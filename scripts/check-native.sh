#!/usr/bin/env bash
# Whether the C++ is formatted as .clang-format says. `--write` puts it right.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/debian-packages.sh

mode=(--dry-run --Werror)
[[ ${1:-} != --write ]] || mode=(-i)
git ls-files -z --cached --others --exclude-standard -- '*.h' '*.cpp' | xargs -0 clang-format "${mode[@]}"
