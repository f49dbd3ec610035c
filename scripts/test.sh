#!/bin/sh
# npm test: everything on a fresh clone, then type check, lint, the architecture test and all suites.
# With file names (npm test -- test/unit/core/quota.test.ts) only those. SLUICE_TEST_PACKAGES=1 adds those that install the packages for
# Debian on a board in a container: root, and some minutes. npm run test:field has those that boot boards.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$ROOT" || exit 1
sh scripts/setup.sh || {
  printf '\n0 passed, 1 failed\n'
  exit 1
}
. "$ROOT/bin/find-node.sh"
find_node
# Without it (no network, no space) the suites of Node-RED are skipped, and say so.
sh scripts/setup-node-red.sh || printf 'Node-RED is not installed; its suites are skipped.\n\n'
# Tests that start "node" or a tool get the same one.
PATH=$ROOT/node_modules/.bin:$PATH
export PATH

work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-test.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
log=$work/check
CHECKS_PASSED=0
CHECKS_FAILED=0
check() {
  words=$1
  shift
  if "$@" >"$log" 2>&1; then
    CHECKS_PASSED=$((CHECKS_PASSED + 1))
    printf '✔ %s\n' "$words"
  else
    CHECKS_FAILED=$((CHECKS_FAILED + 1))
    printf '✖ %s\n\n' "$words"
    cat "$log"
    printf '\n'
    printf '✖ %s\n' "$words" >>"$work/failures"
    head -n 20 "$log" >>"$work/failures"
    printf '\n' >>"$work/failures"
  fi
}

# Everything: coverage of the unit and contract suites, held to a floor per room. Single files: no coverage.
whole=no
if [ $# -eq 0 ]; then
  whole=yes
  check 'type check' "$NODE" node_modules/typescript/bin/tsc --incremental --tsBuildInfoFile node_modules/.cache/tsc-check.tsbuildinfo
  check 'type check of the status page' "$NODE" node_modules/typescript/bin/tsc --noEmit -p src/admin/pages
  check 'type check of the palette in the editor' "$NODE" node_modules/typescript/bin/tsc --noEmit -p src/node-red/palette/editor
  check 'lint and format' node_modules/.bin/biome check --colors=off --max-diagnostics=50
  boards=test/field
  [ "${SLUICE_TEST_PACKAGES:-}" != 1 ] || boards=test/field/qemu
  # File names of tests hold no spaces.
  # shellcheck disable=SC2046
  set -- $(find test -name '*.test.ts' -not -path "$boards/*" | LC_ALL=C sort)
fi

# The runner bakes its plugins into itself. Without this a fresh install would load those that .taprc takes away, and they compile every test.
tap_stamp=node_modules/.cache/tap-plugins
tap_wanted=$(cat package-lock.json .taprc | cksum)
if [ ! -e "$tap_stamp" ] || [ "$(cat "$tap_stamp")" != "$tap_wanted" ]; then
  "$NODE" node_modules/tap/dist/esm/run.mjs build >"$log" 2>&1 || {
    cat "$log"
    printf '\n0 passed, 1 failed\n'
    exit 1
  }
  mkdir -p node_modules/.cache
  echo "$tap_wanted" >"$tap_stamp"
fi

# The suites start the bundle that setup.sh has just built: what is installed, and not the sources.
SLUICE_TEST_PROGRAM=$ROOT/dist/cli/main.js
export SLUICE_TEST_PROGRAM
SLUICE_TEST_SUMS=$work/sums
export SLUICE_TEST_SUMS
SLUICE_TEST_FAILURES=$work/failures
export SLUICE_TEST_FAILURES
passed=0 failed=0 skipped=0
# suites JOBS COVERAGE FILE…: so many at a time, added to the sums.
suites() {
  jobs=$1 measure=$2
  shift 2
  rm -f "$work/sums"
  # A suite of the store starts hundreds of threads. They compile their hundred files once: a third of the processor time less.
  # Coverage needs code that was compiled here.
  cache=$ROOT/node_modules/.cache/compiled
  [ "$measure" = --disable-coverage ] || cache=
  NODE_COMPILE_CACHE=$cache "$NODE" node_modules/tap/dist/esm/run.mjs run --jobs="$jobs" "$measure" --reporter="$NODE" --reporter-arg=scripts/tap-reporter.ts "$@" 2>>"$work/stderr" |
    grep --line-buffered -v '^json-summary report:'
  # The reporter is a process of its own: without its sums, nothing was tested.
  read -r p f s <"$work/sums" 2>/dev/null || {
    p=0 f=1 s=0
  }
  passed=$((passed + p))
  failed=$((failed + f))
  skipped=$((skipped + s))
}
# Long suites say so in a line of their head. They start first, because one that starts last keeps the others waiting for it alone.
# File names of tests hold no spaces.
# shellcheck disable=SC2046
if [ $# -gt 1 ]; then
  long=$(grep -l '^// Takes minutes' "$@")
  set -- $long $(printf '%s\n' "$@" | grep -vxF "$(printf '%s\n' $long)")
fi
# Suites that a busy machine disturbs say so, and why, in a line of their head. They run beside one other at most.
alone=$(grep -l '^// Needs a quiet machine' "$@")
# File names of tests hold no spaces.
# shellcheck disable=SC2046
rest=$(printf '%s\n' "$@" | grep -vxF "$(printf '%s\n' $alone)")
# shellcheck disable=SC2086
[ -z "$alone" ] || suites 2 --disable-coverage $alone
# The others mostly wait for sockets, lines and disks, also on a machine with two cores.
measured=
if [ $whole = yes ]; then
  measured=$(printf '%s\n' "$rest" | grep -E '^test/(unit|contract)/')
  rest=$(printf '%s\n' "$rest" | grep -vE '^test/(unit|contract)/')
fi
# shellcheck disable=SC2086
[ -z "$rest" ] || suites 6 --disable-coverage $rest
# They are last: a run without coverage would take their report away.
# shellcheck disable=SC2086
[ -z "$measured" ] || suites 4 --coverage-report=json-summary $measured
if [ "$failed" -gt 0 ] && [ -s "$work/stderr" ]; then
  printf '\nThe last that the tests wrote to stderr:\n'
  tail -n 40 "$work/stderr"
fi
if [ $whole = yes ]; then
  printf '\n'
  if "$NODE" scripts/coverage.ts; then
    CHECKS_PASSED=$((CHECKS_PASSED + 1))
  else
    CHECKS_FAILED=$((CHECKS_FAILED + 1))
  fi
fi
passed=$((passed + CHECKS_PASSED))
failed=$((failed + CHECKS_FAILED))
# Once more, all in one place: a log of an hour is often cut to its end.
if [ -s "$work/failures" ]; then
  printf '\nAll failures:\n'
  head -c 8192 "$work/failures"
fi
if [ "$skipped" -gt 0 ]; then
  printf '\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
else
  printf '\n%s passed, %s failed\n' "$passed" "$failed"
fi
[ "$failed" -eq 0 ]
