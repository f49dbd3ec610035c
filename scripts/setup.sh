#!/bin/sh
# Installs what is missing and builds what changed. Safe to call again: the second time it only looks.
# Works from any Node that npm runs on; what it installs brings its own Node 24.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$ROOT" || exit 1
. "$ROOT/bin/find-node.sh"
check_machine

# Not a name that another user can guess and make a link of first.
log=$(mktemp "${TMPDIR:-/tmp}/sluice-setup.XXXXXX") || exit 1
trap 'rm -f "$log"' EXIT

# quietly WORDS COMMAND…: shows one line; the command's output only when it failed.
quietly() {
  words=$1
  shift
  printf '%s … ' "$words" >&2
  if "$@" >"$log" 2>&1; then
    echo 'done' >&2
  else
    printf 'failed:\n\n' >&2
    cat "$log" >&2
    printf '\nThe command was: %s\n' "$*" >&2
    exit 1
  fi
}

install_stamp=$ROOT/node_modules/.sluice-install
wanted="$CPU $(cksum <package-lock.json)"
if [ ! -e "$install_stamp" ] || [ "$(cat "$install_stamp")" != "$wanted" ]; then
  command -v npm >/dev/null || refuse 'needs npm to install its packages: apt-get install -y npm'
  # No package of ours needs an install script: native parts come as prebuilt files, and a compiler is not asked for.
  quietly 'Installing packages (the first time takes a minute)' \
    npm ci --ignore-scripts --include=dev --include=optional --no-audit --no-fund --loglevel=error
  echo "$wanted" >"$install_stamp"
fi

find_node
# Sources that were deleted count too, hence the list of files as well as their times.
build_stamp=$ROOT/dist/.sluice-build
sources="$wanted $(find src -type f | LC_ALL=C sort | cksum)"
if [ ! -e "$build_stamp" ] || [ "$(cat "$build_stamp")" != "$sources" ] ||
  [ -n "$(find src tsconfig.json scripts/build.ts scripts/build-pages.ts scripts/build-palette.ts scripts/palette scripts/licences.ts -newer "$build_stamp" -type f | head -n 1)" ]; then
  rm -rf dist
  mkdir dist
  # Taken before the build: a file saved while it runs is built the next time.
  touch "$build_stamp.new"
  quietly 'Building' "$NODE" scripts/build.ts
  quietly 'Building the status page' "$NODE" scripts/build-pages.ts
  echo "$sources" >"$build_stamp"
  touch -r "$build_stamp.new" "$build_stamp"
  rm -f "$build_stamp.new"
fi
