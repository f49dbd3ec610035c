#!/bin/sh
# npm run package: builds what changed, installs Node-RED beside it, and makes the packages for Debian in out/packages.
set -u
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
. "$ROOT/scripts/built.sh"
sh scripts/setup-node-red.sh || exit 1
for program in dpkg-deb readelf; do
  command -v "$program" >/dev/null || refuse "needs $program to make packages: apt-get install -y dpkg binutils"
done
exec "$NODE" --disable-warning=ExperimentalWarning scripts/package.ts "$@"
