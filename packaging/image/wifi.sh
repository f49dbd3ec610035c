# Wi-Fi of a Raspberry Pi 4 and a Compute Module 4. Read by build.sh. No board has run this yet (docs/how-to/make-a-card-image.md). A Pi 400
# has another chip, whose firmware Debian does not have.
#
# The driver of the kernel (brcmfmac) loads the firmware of its chip. udev starts wpa_supplicant for each adapter, with the file that
# "sluice provision" makes from sluice.yaml on the card. Without that file nothing starts. systemd-networkd asks for an address.
# The firmware is in non-free-firmware of Debian: it may be given on, and has no sources.
chip=brcmfmac43455-sdio
for kind in bin clm_blob raspberrypi,4-model-b.txt raspberrypi,4-compute-module.txt; do
  # A link leads to the folder of another maker of the same chip, or to the settings of another board.
  [ -s "$work/boot/usr/lib/firmware/brcm/$chip.$kind" ] || refuse "$chip.$kind is not in the packages of Debian"
  install -D -m 0644 "$work/boot/usr/lib/firmware/brcm/$chip.$kind" "$root/usr/lib/firmware/brcm/$chip.$kind"
done
[ -x "$root/usr/sbin/wpa_supplicant" ] || refuse 'wpa_supplicant is not in the root'

install -m 0644 "$HERE/files/sluice-wifi@.service" "$root/usr/lib/systemd/system/sluice-wifi@.service"
install -D -m 0644 "$HERE/files/99-sluice-wifi.rules" "$root/usr/lib/udev/rules.d/99-sluice-wifi.rules"
install -D -m 0644 "$HERE/files/20-wireless.network" "$root/etc/systemd/network/20-wireless.network"
# It waits for D-Bus, and nobody calls it.
rm -f "$root/etc/systemd/system/multi-user.target.wants/wpa_supplicant.service" "$root/etc/systemd/system/dbus-fi.w1.wpa_supplicant1.service"
