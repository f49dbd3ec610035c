#!/bin/sh
# A test that runs for longer than the runner of all suites allows a file (.taprc): node runs it itself, without a limit.
# How far it is goes to stderr, the result to stdout. Arguments: the file; or options of node, and the file.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$ROOT" || exit 1
sh scripts/setup.sh || exit 1
. "$ROOT/bin/find-node.sh"
find_node
PATH=$ROOT/node_modules/.bin:$PATH
# Threads start by the hundred: what they load is compiled once.
NODE_COMPILE_CACHE=$ROOT/node_modules/.cache/compiled
export PATH NODE_COMPILE_CACHE
exec "$NODE" --disable-warning=ExperimentalWarning --import=./scripts/plain-children.ts --test-reporter=spec "$@"
