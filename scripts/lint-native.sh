#!/usr/bin/env bash
# Whether clang-tidy finds mistakes in the C++ of native/, as .clang-tidy says: every source with the headers that it
# includes. Some 100 s of work for one processor.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/debian-packages.sh

headers=$(node -p 'path.resolve(process.execPath, "../../include/node")')
[[ -f $headers/node_api.h ]] || headers=$(find "$HOME/.cache/node-gyp" -path '*/include/node/node_api.h' -printf '%h\n' -quit)
flags=(-std=c++20 -fno-exceptions -fno-rtti -DNAPI_VERSION=9 "-I$headers")
git ls-files -z 'native/*.cpp' |
  xargs -0 -P "$(nproc)" -I{} clang-tidy --quiet {} -- "${flags[@]}" 2> >(grep -v ' warnings\? generated' >&2)
