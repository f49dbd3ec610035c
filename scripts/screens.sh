#!/bin/sh
# npm run docs:screens: takes the pictures of the pages anew: of the status page with a made-up gateway of a fixed time, and of the
# editor with the walk that is also a test.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
. "$ROOT/scripts/built.sh"
"$NODE" scripts/screens.ts || exit 1
sh scripts/setup-node-red.sh || exit 1
SLUICE_TEST_PROGRAM=$ROOT/dist/cli/main.js SLUICE_PICTURES=$ROOT/docs/pictures SLUICE_REQUIRE_PEERS=1 \
  exec "$NODE" --test --disable-warning=ExperimentalWarning test/integration/node-red/editor-in-browser.test.ts
