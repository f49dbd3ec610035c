/**
 * A board in qemu: arm64 `virt` with UEFI, a card image, and a network whose only outside are the servers that the test names.
 * The image is not written: the board has a copy. A cut ends qemu with SIGKILL, so the memory of the guest is gone, and what the
 * guest gave to its disk is not.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DOOR, run } from './card-image.ts';
import { Door, qmp } from './qemu-door.ts';
import { type Ends, scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

const CODE = '/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd';
const VARS = '/usr/share/AAVMF/AAVMF_VARS.fd';
/** Its words about a server that is away would reach the guest as if the server said them. */
const RELAY = 'socat -lf /dev/null -';
/** Emulated boards are slow where others use the machine as well: milliseconds. */
const WITHIN = 2_400_000;
/** Where the boot partition begins on the card. */
const BOOT = '1M';
/** The machine of each board. */
export const MACHINE = ['-M', 'virt', '-cpu', 'cortex-a72', '-smp', '1'] as const;

export interface QemuOptions {
  /** An image, or the card of a board that is off. */
  readonly image: string;
  /** The board's own, as its firmware gives it. */
  readonly uuid: string;
  readonly mac: string;
  /** Serial number of the disk. */
  readonly disk: string;
  /** MB of memory. */
  readonly memory?: number;
  /** Addresses of the guest's network (10.0.2.x:port), and the loopback port behind each. */
  readonly servers: Readonly<Record<string, number>>;
  /** How large the card is: larger than its image. */
  readonly growTo?: string;
  /** With a USB adapter for a serial line; `serial` is the end of the line outside. */
  readonly usbSerial?: boolean;
  /** With a second serial port of the board; `uart` is the end of its line outside. The device tree has to have it as well. */
  readonly secondUart?: boolean;
  /** The kernel that the emulator starts, as the firmware of a Raspberry Pi does. Default: UEFI finds it on the card. */
  readonly kernel?: Kernel;
  /** A device tree that tells the system what is there, in place of ACPI (device-tree.ts). */
  readonly tree?: string;
}

export interface Kernel {
  readonly file: string;
  readonly ramDisk: string;
  /** Its command line. */
  readonly words: string;
}

export class QemuBoard {
  readonly folder: string;
  readonly #o: QemuOptions;
  #child: ChildProcess | undefined;
  #door: Door | undefined;
  #plugs = 0;
  /** Bytes of the console before the last start. */
  #seen = 0;

  private constructor(folder: string, options: QemuOptions) {
    this.folder = folder;
    this.#o = options;
  }

  /** @returns a board that is switched off */
  static make(t: Ends, options: QemuOptions): QemuBoard {
    const board = new QemuBoard(scratch(t, 'qemu'), options);
    for (const file of [CODE, VARS])
      if (!existsSync(file)) throw new Error(`${file} is missing; it comes with the package qemu-efi-aarch64`);
    run('cp', ['--sparse=always', '--reflink=auto', options.image, board.card]);
    if (options.growTo !== undefined) run('truncate', ['-s', options.growTo, board.card]);
    copyFileSync(VARS, path.join(board.folder, 'vars.fd'));
    t.after(() => board.cut());
    return board;
  }

  get card(): string {
    return path.join(this.folder, 'card.img');
  }
  get isOn(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Puts a file on the boot partition, as a computer with a card reader does. Only while the board is off. */
  putOnBoot(name: string, text: string): void {
    const file = path.join(this.folder, path.basename(name));
    writeFileSync(file, text);
    run('mcopy', ['-o', '-i', `${this.card}@@${BOOT}`, file, `::/${name}`]);
  }
  readFromBoot(name: string): string {
    return run('mtype', ['-i', `${this.card}@@${BOOT}`, `::/${name}`]);
  }

  start(): void {
    const { memory = 512, servers, uuid, mac, disk, usbSerial = false, secondUart = false, tree, kernel } = this.#o;
    const net = ['user', 'id=n', 'restrict=on'];
    for (const [address, port] of Object.entries(servers)) net.push(`guestfwd=tcp:${address}-cmd:${RELAY} TCP:127.0.0.1:${port}`);
    this.#seen = this.all().length;
    this.#door?.close();
    const log = openSync(this.#log, 'a');
    const vars = path.join(this.folder, 'vars.fd');
    const flash = (file: string, more: string) => ['-drive', `if=pflash,format=raw,file=${file}${more}`];
    const socket = (id: string, file: string) => ['-chardev', `socket,id=${id},path=${file},server=on,wait=off`];
    this.#child = spawn(
      'setpriv',
      [
        // A test that is killed leaves no board behind.
        ...['--pdeathsig', 'KILL', 'qemu-system-aarch64'],
        ...[...MACHINE, '-m', String(memory)],
        ...(tree === undefined ? [] : ['-M', 'acpi=off', '-dtb', tree]),
        // Time inside goes by what the board has done, 4 ns an instruction: a busy machine outside makes nothing late inside.
        ...['-accel', 'tcg,thread=single', '-icount', 'shift=2', '-rtc', 'clock=vm'],
        ...['-display', 'none', '-serial', 'stdio'],
        ...(secondUart ? ['-chardev', 'pty,id=uart', '-serial', 'chardev:uart'] : []),
        ...['-monitor', 'none', '-smbios', `type=1,uuid=${uuid}`],
        ...(kernel === undefined
          ? [...flash(CODE, ',readonly=on'), ...flash(vars, '')]
          : ['-kernel', kernel.file, '-initrd', kernel.ramDisk, '-append', kernel.words]),
        ...[
          '-drive',
          // A flush reaches this machine's memory, which a cut does not take: the disk of this machine would only cost time.
          `file=${this.card},if=none,id=card,format=raw,cache=unsafe,file.locking=off`,
          '-device',
          `virtio-blk-pci,drive=card,serial=${disk}`,
        ],
        ...['-netdev', net.join(','), '-device', `virtio-net-pci,netdev=n,romfile=,mac=${mac}`],
        ...[...socket('door', this.#file('door')), '-device', 'virtio-serial-pci'],
        ...['-device', `virtserialport,chardev=door,name=${DOOR}`, '-qmp', `unix:${this.#file('qmp')},server=on,wait=off`],
        ...(usbSerial ? ['-device', 'qemu-xhci', '-chardev', 'pty,id=line', ...this.#adapter()] : []),
      ],
      { stdio: ['ignore', log, log] },
    );
    closeSync(log);
  }

  /** The end of the serial line outside of the board: a pseudo terminal. */
  async serial(): Promise<string> {
    const [, file = ''] = await this.says(/char device redirected to (\/dev\/pts\/\d+) \(label line\)/);
    return file;
  }
  /** The end of the line of the second port outside of the board: a pseudo terminal. */
  async uart(): Promise<string> {
    const [, file = ''] = await this.says(/char device redirected to (\/dev\/pts\/\d+) \(label uart\)/);
    return file;
  }
  /** Pulls the USB adapter out. */
  async unplug(): Promise<void> {
    await qmp(this.#file('qmp'), 'device_del', { id: `usb${this.#plugs}` });
  }
  async plug(): Promise<void> {
    this.#plugs++;
    const adapter = { driver: 'usb-serial', chardev: 'line', id: `usb${this.#plugs}`, serial: ADAPTER };
    // The line is free when qemu has taken the old adapter apart.
    await waitFor('the line to be free', () => qmp(this.#file('qmp'), 'device_add', adapter).then(() => true), { every: 200 });
  }

  /** The shell of this boot, when it answers. */
  async door(): Promise<Door> {
    const door = new Door(this.#file('door'));
    this.#door?.close();
    this.#door = door;
    await door
      .open(() => this.isOn, WITHIN)
      .catch((error) => {
        throw new Error(`${error}:\n${this.all().slice(-3000)}`);
      });
    return door;
  }

  /** The console since the last start. */
  console(): string {
    return this.all().slice(this.#seen);
  }
  all(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, 'latin1') : '';
  }

  /** Waits for words on the console since the last start. */
  async says(pattern: RegExp, within = WITHIN): Promise<RegExpExecArray> {
    for (const end = performance.now() + within; performance.now() < end; await sleep(500)) {
      const found = pattern.exec(this.console());
      if (found !== null) return found;
      if (!this.isOn) throw new Error(`the board went off before it said ${pattern}:\n${this.all().slice(-3000)}`);
    }
    throw new Error(`the board does not say ${pattern}:\n${this.all().slice(-3000)}`);
  }

  /** The power goes. */
  async cut(): Promise<void> {
    this.#door?.close();
    const child = this.#child;
    if (child === undefined || !this.isOn) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  #adapter(): string[] {
    return ['-device', `usb-serial,chardev=line,id=usb${this.#plugs},serial=${ADAPTER}`];
  }
  #file(name: string): string {
    return path.join(this.folder, name);
  }
  /** SLUICE_FIELD_CONSOLES names a folder where the consoles stay. */
  get #log(): string {
    const folder = process.env.SLUICE_FIELD_CONSOLES;
    return folder === undefined ? this.#file('console.txt') : path.join(folder, `${this.#o.disk}-${process.pid}.txt`);
  }
}
const ADAPTER = 'FT12345';
