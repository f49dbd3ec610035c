#!/bin/sh
# npm run test:field: the suites that install packages, boot boards, and cut their power. Root runs them; they are not part of npm test.
# With file names only those, and with options of the runner (--test-name-pattern=WORDS) only those cases. The cases that ran are written
# to test/field/record.json. They need the package for arm64: npm run package -- --fast --arch arm64 --only sluice
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
named=no
for word; do
  case $word in -*) ;; *) named=yes ;; esac
done
# File names of tests hold no spaces.
# shellcheck disable=SC2046
[ $named = yes ] || set -- "$@" $(find test/field -name '*.test.ts' | LC_ALL=C sort)

results=$(mktemp "${TMPDIR:-/tmp}/sluice-field.XXXXXX") || exit 1
trap 'rm -f "$results"' EXIT
record() {
  "$NODE" --disable-warning=ExperimentalWarning scripts/field-record.ts "$@"
}
before=$(record hash) || exit 1
commit=$(git -C "$ROOT" rev-parse HEAD) || exit 1
"$NODE" --disable-warning=ExperimentalWarning --import=./scripts/plain-children.ts --test --test-concurrency=1 \
  --test-reporter=spec --test-reporter-destination=stdout \
  --test-reporter=./scripts/field-reporter.ts --test-reporter-destination="$results" "$@"
status=$?
record write "$results" "$before" "$commit"
exit $status
