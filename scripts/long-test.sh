#!/bin/sh
# A test that runs for longer than the runner of all suites allows a file (.taprc): node runs it itself, without a limit.
# How far it is goes to stderr, the result to stdout. Arguments: options of node, if any, and the file.
# With --bundle FILE first, FILE and the threads of the store are bundled before: a test that starts threads by the thousand
# takes half of the time then, since each of them loads one file instead of a hundred.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
. "$ROOT/scripts/built.sh"
PATH=$ROOT/node_modules/.bin:$PATH
# What the threads load is compiled once.
NODE_COMPILE_CACHE=$ROOT/node_modules/.cache/compiled
export PATH NODE_COMPILE_CACHE

if [ "${1:-}" = --bundle ]; then
  threads=src/store/threads
  out=node_modules/.cache/long-test
  rm -rf "$out"
  node_modules/.bin/esbuild "$2" $threads/writer.ts $threads/keeper.ts $threads/salvager.ts --bundle --splitting --format=esm \
    --platform=node --target=node24 --packages=external --entry-names='[name]' --outdir="$out" --log-level=warning || exit 1
  file=$out/$(basename "$2" .ts).js
  shift 2
  set -- "$@" "$file"
fi
exec "$NODE" --disable-warning=ExperimentalWarning --import=./scripts/plain-children.ts --test-reporter=spec "$@"
