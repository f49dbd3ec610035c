/** A board in a folder: what the kernel says of it, its boot partition, its state. Provisioning runs on it as on a true one. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { deviceOf } from '../../src/boards/disk-of.ts';
import { checkMade } from '../../src/cli/provision.ts';
import type { Disk } from '../../src/provisioning/disk.ts';
import { type Provisioned, provision } from '../../src/provisioning/provision.ts';

export interface Hardware {
  readonly serial?: string;
  readonly cid?: string;
  readonly mac?: string;
  readonly machineId?: string;
  /** The UUID of SMBIOS. */
  readonly uuid?: string;
  /** World wide name of the disk with the state, and the serial number of a virtual one. */
  readonly wwid?: string;
  readonly diskSerial?: string;
}

export const BOARD_A: Hardware = {
  serial: '10000000aaaaaaaa',
  cid: 'aa534d4542',
  mac: 'b8:27:eb:a1:b2:c3',
  machineId: 'a'.repeat(32),
};
export const BOARD_B: Hardware = {
  serial: '10000000bbbbbbbb',
  cid: 'bb534d4542',
  mac: 'b8:27:eb:b1:b2:b3',
  machineId: 'a'.repeat(32),
};

const known = new Map<string, ReturnType<typeof checkMade>>();
/** The loader reads the device library each time: the same text is checked once. */
export function checked(text: string, file: string): ReturnType<typeof checkMade> {
  const found = known.get(text) ?? checkMade(text, file);
  known.set(text, found);
  return found;
}

/** Random bytes that differ each time, and not from run to run. */
let drawn = 0;

export class FakeBoard {
  readonly root: string;
  readonly boot: string;
  readonly stateDir: string;
  readonly config: string;

  /** @param boot a folder that is there; default one in the scratch folder */
  constructor(folder: string, hardware: Hardware = BOARD_A, boot = path.join(folder, 'boot')) {
    this.root = path.join(folder, 'root');
    this.boot = boot;
    this.stateDir = path.join(folder, 'state');
    this.config = path.join(folder, 'etc', 'gateway.yaml');
    mkdirSync(this.boot, { recursive: true });
    this.is(hardware);
    this.stateOn('mmcblk0/mmcblk0p2');
    this.wifiBy('usr/sbin/NetworkManager');
  }

  /** What the system has for Wi-Fi: Raspberry Pi OS at first. @param sign undefined: nothing */
  wifiBy(sign: string | undefined): void {
    rmSync(path.join(this.root, 'usr'), { recursive: true, force: true });
    if (sign !== undefined) this.#fact(sign, '');
  }

  /** The card and its folders are in a board with other facts. */
  is({ serial, cid, mac, machineId, uuid, wwid, diskSerial }: Hardware): void {
    this.#fact('proc/device-tree/serial-number', serial && `${serial}\0`);
    this.#fact('sys/devices/mmcblk0/device/cid', cid);
    this.#fact('sys/class/dmi/id/product_uuid', uuid);
    this.#fact('sys/devices/mmcblk0/wwid', wwid);
    this.#fact('sys/devices/mmcblk0/serial', diskSerial);
    this.#fact('sys/class/net/eth0/address', mac);
    this.#fact('etc/machine-id', machineId);
  }
  /** The file system of the state is this part of a disk. */
  stateOn(part: string): void {
    this.#fact(`sys/devices/${part}/partition`, '2');
    const folder = path.join(this.root, 'sys/dev/block');
    mkdirSync(folder, { recursive: true });
    const link = path.join(folder, deviceOf(path.dirname(this.root)));
    rmSync(link, { force: true });
    symlinkSync(`../../devices/${part}`, link);
  }
  #fact(name: string, text = ''): void {
    const file = path.join(this.root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  write(text: string | Uint8Array, name = 'sluice.yaml'): void {
    writeFileSync(path.join(this.boot, name), text);
  }
  card(name = 'sluice.yaml'): string {
    return readFileSync(path.join(this.boot, name), 'utf8');
  }
  get status(): string {
    return readFileSync(path.join(this.boot, 'sluice-status.txt'), 'utf8');
  }
  get yaml(): string {
    return readFileSync(this.config, 'utf8');
  }
  state(name: string): string {
    return readFileSync(path.join(this.stateDir, name), 'utf8');
  }
  /** Every file of state, configuration and system, by name; `.new` files of a cut are none. */
  files(): Record<string, string> {
    const found: Record<string, string> = {};
    for (const top of [this.stateDir, path.dirname(this.config), this.root, this.boot])
      if (existsSync(top))
        for (const name of readdirSync(top, { recursive: true, encoding: 'utf8' })) {
          const file = path.join(top, name);
          if (statSync(file).isFile()) found[path.join(path.basename(top), name)] = readFileSync(file, 'latin1');
        }
    return found;
  }
  /** A second card with the same content, in a board of its own. */
  copyTo(folder: string, hardware: Hardware): FakeBoard {
    const copy = new FakeBoard(folder, hardware);
    for (const [from, to] of [
      [this.boot, copy.boot],
      [this.stateDir, copy.stateDir],
      [path.dirname(this.config), path.dirname(copy.config)],
    ] as const)
      cpSync(from, to, { recursive: true });
    // The copy is a board of its own, with folders of its own.
    if (existsSync(copy.config)) writeFileSync(copy.config, copy.yaml.replaceAll(this.stateDir, copy.stateDir));
    return copy;
  }

  start(
    options: { readonly disk?: Disk; readonly reportOnly?: boolean; readonly addresses?: readonly string[] } = {},
  ): Provisioned {
    const { disk, reportOnly, addresses = ['192.0.2.7'] } = options;
    return provision({
      ...{
        boot: this.boot,
        config: this.config,
        stateDir: this.stateDir,
        root: this.root,
        check: (text, file) => checked(text.replaceAll(this.stateDir, '/state'), file),
      },
      addresses: () => addresses,
      random: (count) => Buffer.alloc(count, ++drawn),
      ...(disk === undefined ? {} : { disk }),
      ...(reportOnly === undefined ? {} : { reportOnly }),
    });
  }
}

/** A whole file with every section and three secrets. */
export const CARD = `# Ghat 1
site: Basti
name: Ghat 1 water point
language: bn
timezone: Asia/Dhaka
upstream:
  url: mqtts://broker.example.org
  username: ghat-1
  password: upstream-secret-1
buses:
  field:
    preset: modbus-9600
    port: /dev/ttyUSB0
    devices:
      fridge: {unit: 1, profile: xy-md02, interval: 10s}
page: network
claimCode: 7K3M-Q2XV-9TRD
wifi:
  name: Ghat
  password: wifi-secret-1
  country: BD
timeServers: [time.example.org]
`;
export const SECRETS = ['upstream-secret-1', '7K3M-Q2XV-9TRD', 'wifi-secret-1'];
