# The partitions of a board with UEFI: boot (EFI, FAT), root a, root b, state. Read by build.sh.
img=$out/sluice-$target-$version.img
fat=$work/boot.fat
truncate -s 256M "$fat"
mkfs.vfat -n SLUICE -i "$(printf '%08x' "$sequence")" --invariant "$fat" >/dev/null
mmd -i "$fat" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries ::/sluice ::/sluice/a ::/sluice/b
mcopy -i "$fat" "$work/boot/usr/lib/systemd/boot/efi/systemd-bootaa64.efi" ::/EFI/BOOT/BOOTAA64.EFI
printf 'timeout 0\neditor no\n' >"$work/loader.conf"
mcopy -i "$fat" "$work/loader.conf" ::/loader/loader.conf
mcopy -i "$fat" "$out/linux.efi" ::/sluice/a/linux.efi
mcopy -i "$fat" "$out/initrd.img" ::/sluice/a/initrd.img
# The same text as src/update/uefi-slots.ts writes; a test compares them.
printf 'title Sluice %s\nversion %s\nsort-key sluice\nlinux /sluice/a/linux.efi\ninitrd /sluice/a/initrd.img\noptions sluice.slot=a console=tty1 console=ttyAMA0 panic=10\n' \
  "$version" "$sequence" >"$work/entry"
mcopy -i "$fat" "$work/entry" ::/loader/entries/sluice-a.conf

state=256
truncate -s ${state}M "$work/state.ext4"
mkfs.ext4 -q -F -L sluice-state "$work/state.ext4"

rm -f "$img"
truncate -s $((1 + 256 + 2 * size + state + 1))M "$img"
sfdisk -q "$img" <<END
label: gpt
start=1MiB, size=256MiB, type=uefi, name=sluice-boot
start=257MiB, size=${size}MiB, type=linux, name=sluice-root-a
start=$((257 + size))MiB, size=${size}MiB, type=linux, name=sluice-root-b
start=$((257 + 2 * size))MiB, size=${state}MiB, type=linux, name=sluice-state
END
place() { dd if="$1" of="$img" bs=1M seek="$2" conv=notrunc,sparse status=none; }
place "$fat" 1
place "$out/root.ext4" 257
place "$work/state.ext4" $((257 + 2 * size))
