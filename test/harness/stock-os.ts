/** What the systems of the tests have in common with Raspberry Pi OS (Trixie). No Raspberry Pi OS itself runs in a test. */

/** https://github.com/RPi-Distro/pi-gen, stage2/04-cloud-init: where Raspberry Pi OS says that the files are, and its own meta-data. */
export const CLOUD_SOURCE = `datasource_list: [ NoCloud, None ]
datasource:
  NoCloud:
    seedfrom: file:///boot/firmware
ssh_deletekeys: false
ssh_genkeytypes: []
`;
export const META_DATA = 'dsmode: local\ninstance_id: rpios-image\n';

/**
 * https://github.com/RPi-Distro/userconf-pi, debian/userconf-pi.userconfig.service: nobody answers at a board without a screen. Pull
 * request 10 there puts it behind cloud-config.service. cloud-final.service has the commands, and waits for multi-user.target.
 */
export const DIALOG = `[Unit]
After=systemd-user-sessions.service cloud-config.service
[Service]
Type=oneshot
ExecStart=/bin/sleep infinity
`;
export const DIALOG_FILE = 'usr/lib/systemd/system/userconfig.service';
/** The start waits for the dialog. */
export const DIALOG_WANTED = '[Unit]\nWants=userconfig.service\n';
export const DIALOG_WANTED_FILE = 'etc/systemd/system/multi-user.target.d/wanted.conf';
