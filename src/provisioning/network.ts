/**
 * The files of the system for Wi-Fi and time, as Raspberry Pi OS (Trixie) reads them: a connection of NetworkManager
 * (nm-settings-keyfile(5)), the country for the kernel (modprobe.d(5)), and time servers for systemd-timesyncd (timesyncd.conf(5)).
 */
import { createHash } from 'node:crypto';
import type { Provisioning } from './schema.ts';

export const WIFI_FILE = 'etc/NetworkManager/system-connections/sluice-wifi.nmconnection';
export const COUNTRY_FILE = 'etc/modprobe.d/sluice-wifi.conf';
export const TIME_FILE = 'etc/systemd/timesyncd.conf.d/sluice.conf';

type Wifi = NonNullable<Provisioning['wifi']>;

/** @param password undefined: an open network */
export function wifiText({ name, hidden }: Wifi, password: string | undefined): string {
  const security = password === undefined ? [] : ['', '[wifi-security]', 'key-mgmt=wpa-psk', `psk=${keyfileText(password)}`];
  return [
    '# Made by "sluice provision" from sluice.yaml.',
    '[connection]',
    'id=sluice-wifi',
    `uuid=${uuidOf(name)}`,
    'type=wifi',
    'autoconnect=true',
    '',
    '[wifi]',
    'mode=infrastructure',
    // As bytes: in a text, semicolons and backslashes mean something else.
    `ssid=${[...Buffer.from(name)].join(';')};`,
    ...(hidden ? ['hidden=true'] : []),
    ...security,
    '',
    '[ipv4]',
    'method=auto',
    '',
    '[ipv6]',
    'method=auto',
    '',
  ].join('\n');
}

/** The password in a connection that provisioning made earlier. */
export function wifiPasswordIn(text: string): string | undefined {
  const written = /^psk=(.*)$/m.exec(text)?.[1];
  return written?.replaceAll(/\\([\\s])/g, (_, letter: string) => (letter === 's' ? ' ' : '\\'));
}

export function countryText(country: string): string {
  return `# Made by "sluice provision" from sluice.yaml.\noptions cfg80211 ieee80211_regdom=${country}\n`;
}

export function timeText(servers: readonly string[]): string {
  return `# Made by "sluice provision" from sluice.yaml.\n[Time]\nNTP=${servers.join(' ')}\n`;
}

/** GKeyFile drops spaces at the front, and reads a backslash as the beginning of an escape. */
function keyfileText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll(' ', '\\s');
}

/** The same network has the same connection on every board. */
function uuidOf(name: string): string {
  const hex = createHash('sha256').update(`sluice-wifi:${name}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
