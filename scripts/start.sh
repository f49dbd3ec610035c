#!/bin/sh
# npm start: everything on a fresh clone, then the demonstration site.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
sh "$ROOT/scripts/setup.sh" || exit 1
exec "$ROOT/bin/sluice" demo "$@"
