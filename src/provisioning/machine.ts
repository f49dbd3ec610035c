/** Facts about the board and the card, read below a root that a test gives. Nothing here throws: what is not there is not known. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { diskOf } from '../boards/disk-of.ts';
import { type Owner, readSmall } from '../disk/durable.ts';
import { readLine } from './disk.ts';

/** What ties a gateway to its hardware. A fact that is not known says nothing. */
export interface MachineFacts {
  /** Serial number of the board, from the device tree; the UUID of SMBIOS where there is none (only root may read it). */
  readonly serial?: string | undefined;
  /**
   * Card identification register of the SD card or eMMC that holds the state (JEDEC JESD84, SD physical layer specification): unique for
   * each card. NVMe and SATA disks have a world wide name, virtual disks a serial number. Adapters for cards give the same words for
   * every card, so they say nothing. Another card in the board, for example one for data, says nothing either.
   */
  readonly cid?: string | undefined;
  readonly machineId?: string | undefined;
}

const FACT = /^[\x21-\x7e]{1,128}$/;
const fact = (text: string | undefined): string | undefined => (text !== undefined && FACT.test(text) ? text : undefined);

export function machineFacts(root: string, stateDir: string): MachineFacts {
  const disk = diskOf(stateDir, path.join(root, 'sys'));
  return {
    serial: boardSerial(root),
    cid: disk === undefined ? undefined : diskId(disk.folder),
    // systemd writes this word until the first boot is over.
    machineId: fact(readLine(path.join(root, 'etc/machine-id')))?.replace(/^uninitialized$/, '') || undefined,
  };
}

/** What boards give that nobody has numbered: the same for all of them. */
const NUMBER_OF_NOBODY = /^(?:[0-]*|[Ff-]*|03000200-0400-0500-0006-000700080009)$/;

function boardSerial(root: string): string | undefined {
  const facts = ['proc/device-tree/serial-number', 'sys/class/dmi/id/product_uuid'].map((file) =>
    fact(readLine(path.join(root, file))),
  );
  return facts.find((one) => one !== undefined && !NUMBER_OF_NOBODY.test(one));
}

/** World wide names that one disk alone has; `t10.` names are those of an adapter. */
const OWN_NAME = /^(?:eui|nvme|uuid|naa)\./;

function diskId(folder: string): string | undefined {
  const read = (name: string) => fact(readLine(path.join(folder, name)));
  const name = ['wwid', 'device/wwid'].map(read).find((one) => one !== undefined && OWN_NAME.test(one));
  return read('device/cid') ?? name ?? read('serial');
}

/** The end of the MAC address of the board, 6 hexadecimal digits; undefined: it has no network device of its own. */
export function macSuffix(root: string): string | undefined {
  const folder = path.join(root, 'sys/class/net');
  let names: string[] = [];
  try {
    names = readdirSync(folder).sort();
  } catch {
    return undefined;
  }
  const rank = (device: string): number => (/^(eth|en)/.test(device) ? 0 : /^(wlan|wl)/.test(device) ? 1 : 2);
  for (const device of names.sort((a, b) => rank(a) - rank(b))) {
    const mac = readLine(path.join(folder, device, 'address')) ?? '';
    if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac) || /^(00:){5}00$/.test(mac)) continue;
    // Bit 1 of the first byte: the address was made by software, and may be another one tomorrow.
    if ((Number.parseInt(mac.slice(0, 2), 16) & 2) !== 0) continue;
    return mac.replaceAll(':', '').slice(6).toLowerCase();
  }
  return undefined;
}

export interface SystemWords {
  readonly board: string;
  readonly os: string;
}

export function systemWords(root: string): SystemWords {
  // Debian has a link in /etc, and links are not followed here. os-release(5) names both places, in this order.
  const read = (file: string): Buffer | undefined => readSmall(path.join(root, file), 16 * 1024);
  const release = (read('etc/os-release') ?? read('usr/lib/os-release'))?.toString('utf8') ?? '';
  const clean = (text: string | undefined): string | undefined => text?.replaceAll(/[^\x20-\x7e]/g, '').slice(0, 100);
  return {
    board: clean(readLine(path.join(root, 'proc/device-tree/model'))) ?? 'unknown board',
    os: clean(/^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1]) ?? 'unknown system',
  };
}

/** The user of the gateway; undefined: the packages have not made one. */
export function serviceUser(root: string): Owner | undefined {
  const text = readSmall(path.join(root, 'etc/passwd'), 1024 * 1024)?.toString('utf8') ?? '';
  const [, uid, gid] = /^sluice:[^:\n]*:(\d{1,9}):(\d{1,9}):/m.exec(text) ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}
