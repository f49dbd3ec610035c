#!/bin/sh
# npm start: everything on a fresh clone, then the demonstration site.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
sh "$ROOT/scripts/setup.sh" || exit 1
. "$ROOT/bin/find-node.sh"
find_node
exec "$NODE" "$ROOT/dist/cli/demo.js" "$@"
