#!/bin/sh
# Runs a compiled program of the clone: `npm start` and `npm run demo`. Says what to do where nothing is compiled yet.
program=$1
shift
if [ ! -e "$program" ]; then
  echo 'RallyMQ is not built yet: run npm ci first.' >&2
  exit 1
fi
exec node --max-semi-space-size=1 "$program" "$@"
