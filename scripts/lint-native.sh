#!/usr/bin/env bash
# Whether clang-tidy finds mistakes in the C++ of native/, as .clang-tidy says, in every source with the headers that it
# includes: some 100 s of work for one processor. `lint-native.sh native/node/addon.cpp`: that one, which includes nearly
# all headers, in 12 s; CI does that.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/debian-packages.sh

headers=$(node -p 'path.resolve(process.execPath, "../../include/node")')
[[ -f $headers/node_api.h ]] || headers=$(find "$HOME/.cache/node-gyp" -name node_api.h -printf '%h\n' -quit)
flags=(-std=c++20 -fno-exceptions -fno-rtti -DNAPI_VERSION=9 "-I$headers")
if (($# > 0)); then printf '%s\0' "$@"; else git ls-files -z 'native/*.cpp'; fi |
  xargs -0 -P "$(nproc)" -I{} clang-tidy --quiet {} -- "${flags[@]}" 2> >(grep -v ' warnings\? generated' >&2)
