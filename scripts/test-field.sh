#!/bin/sh
# npm run test:field: the suites that install packages, boot boards, and cut their power. Root runs them; they are not part of npm test.
# With file names only those.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
. "$ROOT/scripts/built.sh"
sh scripts/setup-node-red.sh || exit 1
PATH=$ROOT/node_modules/.bin:$PATH
# Cuts of the power on the emulated board; 5 show that it works.
: "${SLUICE_FIELD_CUTS:=50}"
export SLUICE_FIELD_CUTS
SLUICE_TEST_PROGRAM=$ROOT/dist/cli/main.js
export PATH SLUICE_TEST_PROGRAM
# File names of tests hold no spaces.
# shellcheck disable=SC2046
[ $# -gt 0 ] || set -- $(find test/field -name '*.test.ts' | LC_ALL=C sort)
exec "$NODE" --disable-warning=ExperimentalWarning --import=./scripts/plain-children.ts --test --test-concurrency=1 --test-reporter=spec "$@"
