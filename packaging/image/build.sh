#!/bin/sh
# npm run image: an image of Debian trixie with Sluice for a card, and the files of an update, in out/image.
#
# Needs root, and the package for arm64 in out/packages (npm run package). Nothing of it runs on the board: a board is flashed.
# Steps: a root file system (mmdebstrap), the kernel and the boot loader without their scripts (extract), a small initial RAM
# disk of our own (init), one root for both slots, the partitions, the image. Two runs from the same packages give the same root.
#
# --target uefi-arm64 | rpi-arm64    --sequence N    --keys FILE (public keys, one a line)    --deb FILE    --out DIR
# --extra DIR: its content is laid over the root (tests).    --slot-size MB: of each root; all releases of a card need the same
set -eu
ROOT=$(cd "$(dirname "$0")/../.." && pwd -P)
HERE=$ROOT/packaging/image
target=uefi-arm64 sequence= keys= deb= out=$ROOT/out/image extra= sources= size=1024
while [ $# -gt 0 ]; do
  case $1 in
    --target) target=$2 ;;
    --sequence) sequence=$2 ;;
    --keys) keys=$2 ;;
    --deb) deb=$2 ;;
    --out) out=$2 ;;
    --extra) extra=$2 ;;
    --sources) sources=$2 ;;
    --slot-size) size=$2 ;;
    *) echo "image: $1 is not an option; the head of packaging/image/build.sh has them" >&2; exit 2 ;;
  esac
  shift 2
done
refuse() { echo "image: $1" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || refuse 'needs root, because the files of the image belong to root'
for program in mmdebstrap mkfs.ext4 mkfs.vfat mcopy sfdisk cpio xz depmod; do
  command -v $program >/dev/null || refuse "needs $program: apt-get install -y mmdebstrap arch-test qemu-user-static e2fsprogs dosfstools mtools fdisk cpio xz-utils kmod"
done
[ -n "$deb" ] || deb=$(ls "$ROOT"/out/packages/sluice_*_arm64.deb 2>/dev/null | tail -n 1)
[ -f "$deb" ] || refuse 'there is no package for arm64; run npm run package'
[ -n "$sequence" ] || refuse 'name the number of the release with --sequence: one more than the last'
[ -f "$keys" ] || refuse 'name the file with the public keys with --keys; npm run image:keys makes keys'
version=$(dpkg-deb -f "$deb" Version)
: "${SOURCE_DATE_EPOCH:=$(git -C "$ROOT" log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
mkdir -p "$out"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

# Programs of the root's own architecture run through qemu while packages are set up.
if [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] && [ "$(uname -m)" != aarch64 ]; then
  mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
  cat /usr/lib/binfmt.d/qemu-aarch64.conf >/proc/sys/fs/binfmt_misc/register
fi

packages=systemd,systemd-sysv,udev,dbus,iproute2,netbase,kmod,libatomic1,libstdc++6,systemd-timesyncd,systemd-resolved,ca-certificates,e2fsprogs,dosfstools,fdisk,tzdata,adduser
case $target in
  uefi-arm64) boot=linux-image-arm64,busybox-static,systemd-boot-efi ;;
  rpi-arm64)
    boot=linux-image-arm64,busybox-static,raspi-firmware,firmware-brcm80211
    packages=$packages,wpasupplicant,wireless-regdb
    ;;
  *) refuse "there is no target $target; choose uefi-arm64 or rpi-arm64" ;;
esac
[ -n "$sources" ] || sources=/etc/apt/sources.list.d/debian.sources
cp "$sources" "$work/debian.sources"
# The firmware of Raspberry Pi boards may be given on, and has no sources.
sed 's/^Components:.*/Components: main non-free-firmware/' "$work/debian.sources" >"$work/boot.sources"

# What was made once from the same list is used again: SLUICE_IMAGE_CACHE names a folder for it.
cached() { # NAME VARIANT PACKAGES SOURCES
  cache=${SLUICE_IMAGE_CACHE:-$work}/$1-$(printf '%s' "$3" | sha256sum | cut -c 1-12).tar
  if [ ! -f "$cache" ]; then
    mmdebstrap --quiet --mode=root --format=tar --variant="$2" --architectures=arm64 --include="$3" trixie "$cache.new" "$work/$4"
    mv "$cache.new" "$cache"
  fi
}
cached root minbase "$packages" debian.sources
mkdir "$work/root"
tar -xf "$cache" -C "$work/root" --numeric-owner
cached "boot-$target" extract "$boot" boot.sources
mkdir "$work/boot"
tar -xf "$cache" -C "$work/boot" --numeric-owner
kernel=$(basename "$work"/boot/boot/vmlinuz-*)
release=${kernel#vmlinuz-}

root=$work/root
cp "$deb" "$root/tmp/sluice.deb"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
chroot "$root" dpkg --install /tmp/sluice.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log" >&2; refuse 'the package could not be installed'; }
rm "$root/usr/sbin/policy-rc.d" "$root/tmp/sluice.deb"

mkdir -p "$root/lib/modules" "$root/boot/firmware" "$root/state" "$root/usr/lib/sluice-image"
cp -a "$work/boot/usr/lib/modules/$release" "$root/usr/lib/modules/"
# A gateway has no screen, no sound and no radio of these kinds; 60 MB.
for unused in sound drivers/gpu drivers/media drivers/infiniband drivers/isdn net/bluetooth drivers/net/wireless/ath drivers/net/wireless/intel drivers/net/wireless/marvell drivers/net/wireless/mediatek drivers/net/wireless/realtek; do
  rm -rf "$root/usr/lib/modules/$release/kernel/$unused"
done
depmod -b "$root" "$release"

for unit in sluice-decide.service sluice-update.service sluice-update.timer sluice-grow.service; do
  cp "$HERE/files/$unit" "$root/usr/lib/systemd/system/"
done
mkdir -p "$root/etc/systemd/system/multi-user.target.wants" "$root/etc/systemd/system/timers.target.wants"
for unit in sluice-decide.service sluice-grow.service; do
  ln -sf "/usr/lib/systemd/system/$unit" "$root/etc/systemd/system/multi-user.target.wants/$unit"
done
ln -sf /usr/lib/systemd/system/sluice-update.timer "$root/etc/systemd/system/timers.target.wants/sluice-update.timer"
for unit in systemd-networkd.service systemd-resolved.service systemd-timesyncd.service; do
  chroot "$root" systemctl enable --quiet $unit
done
[ $target != rpi-arm64 ] || . "$HERE/wifi.sh"
# Nobody is there to type a password: a board that does not come up restarts, and its tries run out.
for unit in emergency rescue; do
  mkdir -p "$root/etc/systemd/system/$unit.service.d"
  printf '[Service]\nExecStart=\nExecStart=/usr/bin/systemctl --force reboot\n' >"$root/etc/systemd/system/$unit.service.d/restart.conf"
done
install -m 0755 "$HERE/files/grow" "$root/usr/lib/sluice-image/grow"
install -m 0644 "$HERE/files/fstab" "$root/etc/fstab"
install -m 0644 "$HERE/files/10-wired.network" "$root/etc/systemd/network/10-wired.network"
echo sluice >"$root/etc/hostname"
# Each board makes its own at its first boot.
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed"
rm -rf "$root/var/cache/apt" "$root/var/lib/apt/lists" "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale" "$root"/var/log/* "$root"/tmp/*
mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial"
passwd --root "$root" --lock root >/dev/null
[ -z "$extra" ] || cp -a "$extra/." "$root/"

# A Raspberry Pi tries a slot once when the kernel hands the word tryboot to the firmware. Debian's kernel does not know it.
tries=true
if [ $target = rpi-arm64 ] && ! grep -aq ' tryboot' "$work/boot/boot/$kernel"; then
  tries=false
  echo 'image: the kernel cannot ask the firmware to try a slot once (tryboot); the gateway refuses updates of this image' >&2
fi
# The package says how its release stores readings: an update shows that to the release before it.
layouts=$(cat "$root/usr/lib/sluice/layouts.json")
list=$(sed '/^ *\(#\|$\)/d; s/.*/"&"/' "$keys" | paste -sd, -)
printf '{"v":1,"target":"%s","version":"%s","sequence":%s,"keys":[%s],"revoked":[],"tries":%s,"layouts":%s}\n' $target "$version" "$sequence" "$list" $tries "$layouts" >"$root/usr/lib/sluice-image/release.json"
cp "$root/usr/lib/sluice-image/release.json" "$out/release.json"

# The initial RAM disk: busybox, the modules that find the card, and init.
ram=$work/ram
mkdir -p "$ram/bin" "$ram/lib/modules/$release"
cp "$work/boot/usr/bin/busybox" "$ram/bin/busybox"
cp "$HERE/init" "$ram/init"
modules='virtio_pci virtio_mmio virtio_blk nvme ahci sd_mod uas usb_storage xhci_pci mmc_block sdhci_pci sdhci_iproc bcm2835 crc32c ext4 overlay'
# What feeds and clocks the card and the USB of a Raspberry Pi 4. Our init has nobody who loads a module by the name of a device.
[ $target != rpi-arm64 ] || modules="gpio_raspberrypi_exp gpio_regulator clk_raspberrypi raspberrypi_power reset_raspberrypi pcie_brcmstb bcm2835_wdt $modules"
echo $modules >"$ram/modules"
for module in $modules; do
  modprobe --show-depends --dirname "$root" --set-version "$release" $module 2>/dev/null | sed -n 's/^insmod \(\S*\).*/\1/p'
done | sort -u | while read -r file; do
  to=$ram/lib/modules/$release/${file##*/lib/modules/"$release"/}
  mkdir -p "$(dirname "$to")"
  # busybox loads no compressed module.
  case $file in *.xz) xz -dc "$file" >"${to%.xz}" ;; *) cp "$file" "$to" ;; esac
done
depmod -b "$ram" "$release"
find "$ram" "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
(cd "$ram" && find . -print0 | LC_ALL=C sort -z | cpio --null --quiet --reproducible -H newc -o) | gzip -n9 >"$out/initrd.img"
cp "$work/boot/boot/$kernel" "$out/linux.efi"

# One root for both slots. It is never written, so it needs no journal. Fixed numbers: the next release shares what did not change.
truncate -s ${size}M "$work/root.ext4"
mkfs.ext4 -q -F -m 0 -O ^has_journal,^metadata_csum_seed -U 5cf6b1de-6d5d-4b6f-9d52-0f6b6c1d0001 \
  -E hash_seed=5cf6b1de-6d5d-4b6f-9d52-0f6b6c1d0002,root_owner=0:0 -L sluice-root -d "$root" "$work/root.ext4"
mv "$work/root.ext4" "$out/root.ext4"

. "$HERE/$target.sh"
echo "$out/sluice-$target-$version.img"
