/**
 * A board in qemu: arm64 `virt` with UEFI, a card image, and a network whose only outside are the servers that the test names.
 * The image is not written: the board has a layer over it. A cut ends qemu with SIGKILL, so the memory of the guest is gone, and
 * what the guest flushed is not.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, existsSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { scratch } from './scratch.ts';

const CODE = '/usr/share/AAVMF/AAVMF_CODE.no-secboot.fd';
const VARS = '/usr/share/AAVMF/AAVMF_VARS.fd';

export interface QemuOptions {
  readonly image: string;
  /** MB of memory. */
  readonly memory?: number;
  /** Addresses of the guest's network (10.0.2.x:port), and the loopback port behind each. */
  readonly servers: Readonly<Record<string, number>>;
  /** Ports of the guest that the test reaches: guest port → loopback port. */
  readonly forwards?: Readonly<Record<number, number>>;
  /** Bytes that the card grows by: a card is larger than its image. */
  readonly growTo?: string;
  readonly args?: readonly string[];
}

export class QemuBoard {
  readonly folder: string;
  readonly #o: QemuOptions;
  #child: ChildProcess | undefined;
  /** Bytes of the console before the last start. */
  #seen = 0;

  private constructor(folder: string, options: QemuOptions) {
    this.folder = folder;
    this.#o = options;
  }

  /** @returns a board that is switched off; its card is a layer over the image */
  static make(t: TestContext, options: QemuOptions): QemuBoard {
    const board = new QemuBoard(scratch(t, 'qemu'), options);
    for (const file of [CODE, VARS])
      if (!existsSync(file)) throw new Error(`${file} is missing; it comes with the package qemu-efi-aarch64`);
    run('qemu-img', [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-F',
      'raw',
      '-b',
      path.resolve(options.image),
      board.card,
      ...(options.growTo === undefined ? [] : [options.growTo]),
    ]);
    copyFileSync(VARS, path.join(board.folder, 'vars.fd'));
    t.after(() => board.cut());
    return board;
  }

  get card(): string {
    return path.join(this.folder, 'card.qcow2');
  }
  get isOn(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  start(): void {
    const { memory = 512, servers, forwards = {}, args = [] } = this.#o;
    const net = ['user', 'id=n', 'restrict=on'];
    for (const [address, port] of Object.entries(servers)) net.push(`guestfwd=tcp:${address}-cmd:socat - TCP:127.0.0.1:${port}`);
    for (const [guest, port] of Object.entries(forwards)) net.push(`hostfwd=tcp:127.0.0.1:${port}-:${guest}`);
    this.#seen = this.all().length;
    const log = openSync(this.#log, 'a');
    this.#child = spawn(
      'qemu-system-aarch64',
      [
        ...[
          '-M',
          'virt',
          '-cpu',
          'cortex-a72',
          '-smp',
          '2',
          '-m',
          String(memory),
          '-display',
          'none',
          '-accel',
          'tcg,thread=multi',
        ],
        ...[
          '-drive',
          `if=pflash,format=raw,readonly=on,file=${CODE}`,
          '-drive',
          `if=pflash,format=raw,file=${this.folder}/vars.fd`,
        ],
        ...['-drive', `file=${this.card},if=none,id=card`, '-device', 'virtio-blk-pci,drive=card,serial=card-1'],
        ...['-netdev', net.join(','), '-device', 'virtio-net-pci,netdev=n,romfile=', '-serial', 'stdio', '-monitor', 'none'],
        ...args,
      ],
      { stdio: ['ignore', log, log] },
    );
    closeSync(log);
  }

  /** The console since the last start. */
  console(): string {
    return this.all().slice(this.#seen);
  }
  all(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, 'latin1') : '';
  }

  /** Waits for words on the console since the last start. Emulated boards are slow: minutes. */
  async says(pattern: RegExp, within = 600_000): Promise<RegExpExecArray> {
    for (const end = performance.now() + within; performance.now() < end; await sleep(500)) {
      const found = pattern.exec(this.console());
      if (found !== null) return found;
      if (!this.isOn) throw new Error(`the board went off before it said ${pattern}:\n${this.all().slice(-3000)}`);
    }
    throw new Error(`the board does not say ${pattern}:\n${this.all().slice(-3000)}`);
  }

  /** The power goes. */
  async cut(): Promise<void> {
    const child = this.#child;
    if (child === undefined || !this.isOn) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  get #log(): string {
    return path.join(this.folder, 'console.txt');
  }
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr}`);
}
