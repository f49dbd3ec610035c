#!/bin/sh
# npm run docs:screens: takes the pictures of the status page anew, with a made-up gateway of a fixed time.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$ROOT" || exit 1
sh scripts/setup.sh || exit 1
. "$ROOT/bin/find-node.sh"
find_node
exec "$NODE" scripts/screens.ts
