#!/bin/sh
# npm run package:apt -- --key KEY: makes a folder for apt of the packages in out/packages, signed with a key of the operator.
# KEY is what gpg --list-secret-keys shows: an id, a fingerprint or an address. Serve the folder over HTTP, or carry it on a stick.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
packages=$ROOT/out/packages
out=$ROOT/out/apt
suite=stable
key=
usage() {
  echo 'usage: npm run package:apt -- --key KEY [--packages DIR] [--out DIR] [--suite NAME]' >&2
  exit 2
}
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --key) key=$2 ;;
    --packages) packages=$2 ;;
    --out) out=$2 ;;
    --suite) suite=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[ -n "$key" ] || usage
for program in apt-ftparchive gpg; do
  command -v "$program" >/dev/null || {
    echo "package:apt needs $program: apt-get install -y apt-utils gnupg" >&2
    exit 1
  }
done
ls "$packages"/*.deb >/dev/null 2>&1 || {
  echo "$packages has no packages; make them first: npm run package" >&2
  exit 1
}
gpg --batch --list-secret-keys "$key" >/dev/null 2>&1 || {
  echo "gpg has no secret key $key; gpg --list-secret-keys shows what there is" >&2
  exit 1
}

# The old folder stays until the new one is whole.
mkdir -p "$(dirname "$out")"
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work/pool/main"
cp "$packages"/*.deb "$work/pool/main/"
chmod 644 "$work/pool/main"/*
cd "$work"
architectures=
for architecture in amd64 arm64; do
  ls pool/main/*_"$architecture".deb >/dev/null 2>&1 || continue
  architectures="$architectures $architecture"
  index=dists/$suite/main/binary-$architecture
  mkdir -p "$index"
  apt-ftparchive --arch "$architecture" packages pool/main >"$index/Packages"
  gzip -9nk "$index/Packages"
done
apt-ftparchive \
  -o APT::FTPArchive::Release::Origin=Sluice \
  -o APT::FTPArchive::Release::Label=Sluice \
  -o APT::FTPArchive::Release::Suite="$suite" \
  -o APT::FTPArchive::Release::Codename="$suite" \
  -o APT::FTPArchive::Release::Components=main \
  -o APT::FTPArchive::Release::Architectures="${architectures# }" \
  release "dists/$suite" >Release.new
mv Release.new "dists/$suite/Release"
gpg --batch --yes --local-user "$key" --clearsign --output "dists/$suite/InRelease" "dists/$suite/Release"
gpg --batch --yes --local-user "$key" --armor --detach-sign --output "dists/$suite/Release.gpg" "dists/$suite/Release"
gpg --batch --yes --export --output sluice-archive-keyring.pgp "$key"
cat >sluice.sources <<END
# Put this file into /etc/apt/sources.list.d, sluice-archive-keyring.pgp into /etc/apt/keyrings, and write the address of the folder.
Types: deb
URIs: https://example.org/sluice
Suites: $suite
Components: main
Signed-By: /etc/apt/keyrings/sluice-archive-keyring.pgp
END
rm -rf "$out.old"
[ ! -e "$out" ] || mv "$out" "$out.old"
mv "$work" "$out"
trap - EXIT
rm -rf "$out.old"
echo "$out: $(find "$out/pool" -name '*.deb' | wc -l) packages for${architectures}, signed with $key"
