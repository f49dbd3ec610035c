# The partitions of a Raspberry Pi 4 or Compute Module 4: selector (FAT), boot a, boot b (FAT), root a, root b, state. Read by build.sh.
# No board has run this yet (docs/how-to/make-a-card-image.md).
#
# The firmware reads autoboot.txt on the first partition. It names the boot partition of the committed slot, and the one that a
# restart with the flag of tryboot boots once. Sources: Raspberry Pi documentation, config.txt, "The autoboot.txt file" and "The
# [boot_partition=N] filter"; bootflow, "Fail-safe OS updates (tryboot)".
img=$out/sluice-$target-$version.img
firmware=$work/boot/usr/lib/raspi-firmware
trees=$work/boot/usr/lib/linux-image-$release/broadcom
for file in "$firmware/start4.elf" "$firmware/fixup4.dat" "$trees/bcm2711-rpi-4-b.dtb" "$trees/bcm2711-rpi-cm4-io.dtb"; do
  [ -f "$file" ] || refuse "${file##*/} is not in the packages of Debian"
done
# An image with an EFI head starts as well as a plain one; a compressed EFI program does not.
[ "$(dd if="$out/linux.efi" bs=1 skip=56 count=4 status=none)" = 'ARM'd ] || refuse 'the firmware cannot start this kernel: it is no plain Image of arm64'
# An older firmware would give slot b the command line of slot a.
grep -aq 'boot_partition' "$firmware/start4.elf" || refuse 'the firmware does not know the filter [boot_partition=N]; take a newer raspi-firmware'

fill() { # IMAGE FILE NAME: a file on a FAT, with the time of the commit
  touch -d "@$SOURCE_DATE_EPOCH" "$2"
  mcopy -m -i "$1" "$2" "::/$3"
}

# One boot partition for both slots: the firmware says which partition it booted, and the filter gives the command line of its slot.
cat >"$work/config.txt" <<END
# Sluice $version. An update replaces this file. What belongs to this board goes into sluice.yaml on the first partition.
[boot_partition=2]
cmdline=cmdline-a.txt
[boot_partition=3]
cmdline=cmdline-b.txt
[all]
arm_64bit=1
kernel=linux.img
initramfs initrd.img followkernel
start_file=start4.elf
fixup_file=fixup4.dat
enable_uart=1
END
boot_fat=$work/boot.fat
truncate -s 192M "$boot_fat"
mkfs.vfat -n SLUICE-BOOT -i 5cf6b1de --invariant "$boot_fat" >/dev/null
fill "$boot_fat" "$work/config.txt" config.txt
for slot in a b; do
  echo "sluice.slot=$slot console=tty1 console=serial0,115200 panic=10" >"$work/cmdline"
  fill "$boot_fat" "$work/cmdline" cmdline-$slot.txt
done
fill "$boot_fat" "$out/linux.efi" linux.img
fill "$boot_fat" "$out/initrd.img" initrd.img
fill "$boot_fat" "$firmware/start4.elf" start4.elf
fill "$boot_fat" "$firmware/fixup4.dat" fixup4.dat
for tree in bcm2711-rpi-4-b bcm2711-rpi-400 bcm2711-rpi-cm4-io; do
  [ ! -f "$trees/$tree.dtb" ] || fill "$boot_fat" "$trees/$tree.dtb" $tree.dtb
done
# An update has this file as its part `boot`.
cp "$boot_fat" "$out/boot.fat"
rm -f "$out/linux.efi" "$out/initrd.img"

selector=$work/selector.fat
truncate -s 64M "$selector"
mkfs.vfat -n SLUICE -i "$(printf '%08x' "$sequence")" --invariant "$selector" >/dev/null
# The same text as src/update/tryboot-slots.ts writes; a test compares them.
printf '[all]\ntryboot_a_b=1\nboot_partition=2\n' >"$work/autoboot.txt"
fill "$selector" "$work/autoboot.txt" autoboot.txt
printf '{"version":"%s","sequence":%s,"state":"good"}\n' "$version" "$sequence" >"$work/slot-a.json"
fill "$selector" "$work/slot-a.json" slot-a.json

state=256
truncate -s ${state}M "$work/state.ext4"
mkfs.ext4 -q -F -L sluice-state "$work/state.ext4"

rm -f "$img"
truncate -s $((1 + 64 + 2 * 192 + 2 * size + state + 1))M "$img"
# EFI system partitions: the type that the boot loader in the EEPROM takes for FAT.
sfdisk -q "$img" <<END
label: gpt
start=1MiB, size=64MiB, type=uefi, name=sluice-boot
start=65MiB, size=192MiB, type=uefi, name=sluice-boot-a
start=257MiB, size=192MiB, type=uefi, name=sluice-boot-b
start=449MiB, size=${size}MiB, type=linux, name=sluice-root-a
start=$((449 + size))MiB, size=${size}MiB, type=linux, name=sluice-root-b
start=$((449 + 2 * size))MiB, size=${state}MiB, type=linux, name=sluice-state
END
place() { dd if="$1" of="$img" bs=1M seek="$2" conv=notrunc,sparse status=none; }
place "$selector" 1
place "$boot_fat" 65
place "$out/root.ext4" 449
place "$work/state.ext4" $((449 + 2 * size))
