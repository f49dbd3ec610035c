#!/bin/sh
# npm run bench:NAME: builds what changed and runs one measurement of bench/ on the Node that the daemon runs on.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
. "$ROOT/scripts/built.sh"
name=$1
shift
exec "$NODE" "bench/$name.ts" "$@"
