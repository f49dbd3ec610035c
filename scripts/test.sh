#!/bin/sh
# npm test: everything on a fresh clone, then type check, lint, the architecture test and all suites.
# With file names (npm test -- test/unit/core-units.test.ts) only those.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$ROOT" || exit 1
sh scripts/setup.sh || {
  printf '\n0 passed, 1 failed\n'
  exit 1
}
. "$ROOT/bin/find-node.sh"
find_node
# Tests that start "node" or a tool get the same one.
PATH=$ROOT/node_modules/.bin:$PATH
export PATH

log=${TMPDIR:-/tmp}/sluice-test.$$
trap 'rm -f "$log"' EXIT
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
  fi
}

if [ $# -eq 0 ]; then
  check 'type check' "$NODE" node_modules/typescript/bin/tsc --incremental --tsBuildInfoFile node_modules/.cache/tsc-check.tsbuildinfo
  check 'lint and format' node_modules/.bin/biome check --colors=off --max-diagnostics=50
  set -- 'test/**/*.test.ts'
fi
export CHECKS_PASSED CHECKS_FAILED

# Two at a time: the suites mostly wait for sockets and lines, and small machines have two cores.
"$NODE" --disable-warning=ExperimentalWarning --test --test-concurrency=2 --test-timeout=900000 \
  --test-reporter="$ROOT/scripts/reporter.ts" --test-reporter-destination=stdout "$@"
status=$?
[ "$CHECKS_FAILED" -eq 0 ] || status=1
exit $status
