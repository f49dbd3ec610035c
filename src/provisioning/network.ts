/**
 * What a card says about the network, put into files of the system: Wi-Fi (wifi.ts), the country for the kernel (modprobe.d(5)), and
 * time servers for systemd-timesyncd (timesyncd.conf(5)).
 */
import path from 'node:path';
import { type Owner, readSmall } from '../disk/durable.ts';
import type { Disk } from './disk.ts';
import type { Provisioning } from './schema.ts';
import { wifiWay } from './wifi.ts';

const COUNTRY_FILE = 'etc/modprobe.d/sluice-wifi.conf';
const TIME_FILE = 'etc/systemd/timesyncd.conf.d/sluice.conf';
const MADE = '# Made by "sluice provision" from sluice.yaml.';
const MOST_FILE = 64 * 1024;
const ROOT: Owner = { uid: 0, gid: 0 };

export const NO_WIFI =
  'Wi-Fi has no effect here: this system has neither NetworkManager nor the Wi-Fi of a Sluice image. Connect a network cable, or write the card with Raspberry Pi OS or with the Sluice image for a Raspberry Pi.';

/** What a person has to know at each start, whether or not the file changed. */
export function networkRemarks({ wifi }: Pick<Provisioning, 'wifi'>, root: string): string[] {
  return wifi !== undefined && wifiWay(root) === undefined ? [NO_WIFI] : [];
}

export interface Secret {
  /** Undefined: it is not on the card. */
  readonly text: string | undefined;
  /** It was on the card, and this board should have it. */
  readonly erased: boolean;
}

/** @returns remarks for the status file. @throws what the file system says */
export function writeNetwork(
  { wifi, timeServers }: Pick<Provisioning, 'wifi' | 'timeServers'>,
  { text: fresh, erased }: Secret,
  { root, disk }: { readonly root: string; readonly disk: Disk },
): string[] {
  const remarks: string[] = [];
  const owner = process.getuid?.() === 0 ? ROOT : undefined;
  const read = (name: string): string => readSmall(path.join(root, name), MOST_FILE)?.toString('utf8') ?? '';
  const put = (name: string, content: string, mode: number): void => {
    if (read(name) === content) return;
    const file = path.join(root, name);
    disk.folder(path.dirname(file), { mode: 0o755, owner });
    disk.put(file, content, { mode, owner });
  };
  const way = wifi === undefined ? undefined : wifiWay(root);
  if (wifi !== undefined && way !== undefined) {
    const password = fresh ?? (erased ? way.passwordIn(read(way.file)) : undefined);
    if (erased && password === undefined)
      remarks.push('The Wi-Fi password was erased from this file, and this board does not have it. Write the password again.');
    else put(way.file, way.text(wifi, password), 0o600);
    if (wifi.country !== undefined) put(COUNTRY_FILE, `${MADE}\noptions cfg80211 ieee80211_regdom=${wifi.country}\n`, 0o644);
  }
  if (timeServers !== undefined) put(TIME_FILE, `${MADE}\n[Time]\nNTP=${timeServers.join(' ')}\n`, 0o644);
  return remarks;
}
