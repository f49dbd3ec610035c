#!/bin/sh
# Installs Node-RED beside the gateway, at the one version that it is tested with: node-red/package.json and its lock. A gateway
# without it stays small. Safe to call again. Nothing is compiled, and no package runs a script.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$ROOT/node-red" || exit 1
. "$ROOT/bin/find-node.sh"
check_machine

stamp=node_modules/.sluice-install
wanted=$(cksum <package-lock.json)
if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi
command -v npm >/dev/null || refuse 'needs npm to install Node-RED: apt-get install -y npm'
log=$(mktemp "${TMPDIR:-/tmp}/sluice-node-red.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT
printf 'Installing Node-RED (100 MB) … ' >&2
if npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
  echo "$wanted" >"$stamp"
  echo 'done' >&2
else
  printf 'failed:\n\n' >&2
  cat "$log" >&2
  exit 1
fi
