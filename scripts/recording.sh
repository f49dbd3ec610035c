#!/bin/sh
# npm run docs:recording: the live view of the demonstration, recorded for the README.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$ROOT" || exit 1
for program in script socat; do
  command -v "$program" >/dev/null || {
    echo "The recording needs $program: apt-get install -y bsdutils socat" >&2
    exit 1
  }
done
sh scripts/setup.sh || exit 1
. bin/find-node.sh
find_node
exec "$NODE" --disable-warning=ExperimentalWarning scripts/recording/record.ts "$@"
