/**
 * The Wi-Fi network of a card, as the system of the board reads it: a connection of NetworkManager (nm-settings-keyfile(5)) on
 * Raspberry Pi OS, a file of wpa_supplicant (wpa_supplicant.conf(5)) on the Sluice image for a Raspberry Pi.
 */
import { createHash, pbkdf2Sync } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Provisioning } from './schema.ts';

export type Wifi = NonNullable<Provisioning['wifi']>;

export interface WifiWay {
  /** Says that the system takes this way. */
  readonly sign: string;
  /** It holds the password: mode 0600. */
  readonly file: string;
  /** @param password undefined: an open network */
  text(wifi: Wifi, password: string | undefined): string;
  /** The password in a text that provisioning made earlier. */
  passwordIn(text: string): string | undefined;
}

const MADE = '# Made by "sluice provision" from sluice.yaml.';

const NETWORK_MANAGER: WifiWay = {
  sign: 'usr/sbin/NetworkManager',
  file: 'etc/NetworkManager/system-connections/sluice-wifi.nmconnection',
  text: ({ name, hidden }, password) => {
    const security = password === undefined ? [] : ['', '[wifi-security]', 'key-mgmt=wpa-psk', `psk=${keyfileText(password)}`];
    return [
      MADE,
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
  },
  passwordIn: (text) => {
    const written = /^psk=(.*)$/m.exec(text)?.[1];
    return written?.replaceAll(/\\([\\s])/g, (_, letter: string) => (letter === 's' ? ' ' : '\\'));
  },
};

const WPA_SUPPLICANT: WifiWay = {
  sign: 'usr/lib/systemd/system/sluice-wifi@.service',
  file: 'etc/wpa_supplicant/sluice.conf',
  text: ({ name, hidden, country }, password) =>
    [
      MADE,
      'ctrl_interface=/run/wpa_supplicant',
      ...(country === undefined ? [] : [`country=${country}`]),
      'network={',
      // As bytes, and the key in place of the password: in quotes, a quote with a number sign behind it ends the text.
      `\tssid=${Buffer.from(name).toString('hex')}`,
      ...(hidden ? ['\tscan_ssid=1'] : []),
      ...(password === undefined
        ? ['\tkey_mgmt=NONE']
        : [
            '\tkey_mgmt=WPA-PSK WPA-PSK-SHA256',
            '\tieee80211w=1',
            // The key belongs to the name of the network. With another name the password is needed again.
            `\t#password=${Buffer.from(password).toString('hex')}`,
            `\tpsk=${RAW_KEY.test(password) ? password : keyOf(name, password)}`,
          ]),
      '}',
      '',
    ].join('\n'),
  passwordIn: (text) => {
    const written = /^\t#password=((?:[0-9a-f]{2})+)$/m.exec(text)?.[1];
    return written === undefined ? undefined : Buffer.from(written, 'hex').toString('utf8');
  },
};

const RAW_KEY = /^[0-9a-fA-F]{64}$/;
const WAYS = [NETWORK_MANAGER, WPA_SUPPLICANT];
/** Every file that may hold a password. */
export const WIFI_FILES: readonly string[] = WAYS.map(({ file }) => file);

/** How the system below this root does Wi-Fi; undefined: it does none. */
export function wifiWay(root: string): WifiWay | undefined {
  return WAYS.find(({ sign }) => existsSync(path.join(root, sign)));
}

/** The key of a password in the network of this name (IEEE 802.11, annex J.4: PBKDF2 with 4096 rounds of HMAC-SHA-1). */
export function keyOf(name: string, password: string): string {
  return pbkdf2Sync(password, name, 4096, 32, 'sha1').toString('hex');
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
