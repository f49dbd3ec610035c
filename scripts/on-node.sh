#!/bin/sh
# on-node.sh FILE …: runs a script of this folder on the Node that the daemon runs on.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
. "$ROOT/bin/find-node.sh"
find_node
exec "$NODE" --disable-warning=ExperimentalWarning "$@"
