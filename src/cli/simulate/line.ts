/**
 * The simulator's end of a serial line. Node cannot make pseudo-terminals, so `socat` makes one (`--pty BUS=LINK`), or the
 * line is a port that exists (`--port BUS=PATH`): an adapter, or one end of a pair that somebody made.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { lstat, rm, stat } from 'node:fs/promises';
import { ReadStream, WriteStream } from 'node:tty';
import { SluiceError } from '../../core/errors.ts';

export interface LineSettings {
  readonly baudRate: number;
  readonly dataBits: number;
  readonly parity: string;
  readonly stopBits: number;
}

export interface Line {
  /** For people: where the other end is. */
  readonly words: string;
  /** Resolves when the other end can be opened. @throws SluiceError `bus-open` */
  open(receive: (data: Buffer) => void): Promise<void>;
  /** At the speed of the line, in the order given. */
  write(data: Uint8Array): void;
  close(): Promise<void>;
}

/** Bytes waiting for their time on the line; a talker that is faster than its baud rate loses what is more. */
const MAX_WAITING = 16_384;
const SLICE_MS = 8;

/** Hands out bytes no faster than the baud rate, as a UART would: a whole frame at once hides faults of reassembly. */
class Pacer {
  readonly #bytesPerSlice: number;
  readonly #out: (data: Buffer) => void;
  #waiting: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: LineSettings, out: (data: Buffer) => void) {
    const bits = 1 + settings.dataBits + (settings.parity === 'none' ? 0 : 1) + settings.stopBits;
    this.#bytesPerSlice = Math.max(1, Math.round((settings.baudRate / bits / 1000) * SLICE_MS));
    this.#out = out;
  }

  push(data: Uint8Array): void {
    if (this.#waiting.length + data.length > MAX_WAITING) return;
    this.#waiting = Buffer.concat([this.#waiting, data]);
    // The first bytes have arrived in full when their time has passed, not before.
    this.#timer ??= setTimeout(() => this.#slice(), SLICE_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = Buffer.alloc(0);
  }

  #slice(): void {
    this.#timer = undefined;
    if (this.#waiting.length === 0) return;
    this.#out(this.#waiting.subarray(0, this.#bytesPerSlice));
    this.#waiting = this.#waiting.subarray(this.#bytesPerSlice);
    this.#timer = setTimeout(() => this.#slice(), SLICE_MS);
  }
}

/** A pseudo-terminal made by socat; its path is a link that goes with the simulation. */
export class PtyLine implements Line {
  readonly words: string;
  readonly #link: string;
  readonly #pacer: Pacer;
  #child: ChildProcess | undefined;

  constructor(link: string, settings: LineSettings) {
    this.words = `${link} (pseudo-terminal)`;
    this.#link = link;
    this.#pacer = new Pacer(settings, (data) => this.#child?.stdin?.write(data));
  }

  async open(receive: (data: Buffer) => void): Promise<void> {
    // socat would take the place of whatever is there.
    const taken = await stat(this.#link).catch(() => undefined);
    if (taken !== undefined)
      throw new SluiceError(
        'bus-open',
        `${this.#link} exists already: ${taken.isCharacterDevice() ? 'end the simulator that made it, or give' : 'give'} another path`,
      );
    // A link that leads nowhere is left from a simulator that was killed.
    await rm(this.#link, { force: true });
    const child = spawn('socat', [`PTY,link=${this.#link},rawer,mode=660`, 'STDIO'], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    let said = '';
    child.stderr.on('data', (data: Buffer) => {
      said = (said + data.toString()).slice(-500);
    });
    child.stdin.on('error', () => {});
    child.stdout.on('data', receive);
    const failed = new Promise<never>((_, reject) => {
      child.once('error', (cause: NodeJS.ErrnoException) =>
        reject(
          cause.code === 'ENOENT'
            ? new SluiceError('bus-open', SOCAT_WORDS, { cause })
            : new SluiceError('bus-open', `socat cannot be started: ${cause.message}`, { cause }),
        ),
      );
      child.once('exit', (code) =>
        reject(new SluiceError('bus-open', `socat could not make ${this.#link} (exit ${code}): ${said.trim()}`)),
      );
    });
    failed.catch(() => {});
    await Promise.race([failed, this.#appears()]);
  }

  write(data: Uint8Array): void {
    this.#pacer.push(data);
  }

  async close(): Promise<void> {
    this.#pacer.stop();
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await gone;
  }

  /** 5 s are plenty: the link is there as soon as socat runs. */
  async #appears(): Promise<void> {
    for (let i = 0; i < 250; i++) {
      const there = await lstat(this.#link).then(
        (stat) => stat.isSymbolicLink(),
        () => false,
      );
      if (there) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new SluiceError('bus-open', `socat did not make ${this.#link} within 5 s`);
  }
}

export const SOCAT_WORDS =
  'a simulated serial line needs socat, which makes the pseudo-terminal: apt-get install -y socat. Or give a port that exists with --port BUS=PATH';

/** A port that exists already. */
export class PortLine implements Line {
  readonly words: string;
  readonly #path: string;
  readonly #settings: LineSettings;
  readonly #pacer: Pacer;
  #in: ReadStream | undefined;
  #out: WriteStream | undefined;

  constructor(path: string, settings: LineSettings) {
    this.words = path;
    this.#path = path;
    this.#settings = settings;
    this.#pacer = new Pacer(settings, (data) => this.#out?.write(data));
  }

  async open(receive: (data: Buffer) => void): Promise<void> {
    const { baudRate, dataBits, parity, stopBits } = this.#settings;
    const odd = { none: ['-parenb'], even: ['parenb', '-parodd'], odd: ['parenb', 'parodd'] }[parity] ?? ['-parenb'];
    const stty = [
      '-F',
      this.#path,
      'raw',
      '-echo',
      String(baudRate),
      `cs${dataBits}`,
      stopBits === 2 ? 'cstopb' : '-cstopb',
      ...odd,
    ];
    const set = spawnSync('stty', stty, { encoding: 'utf8' });
    // A pseudo-terminal refuses odd speeds that a real port may have, and needs none.
    if (set.status !== 0 && !/unable to perform all requested operations/.test(set.stderr))
      throw new SluiceError('bus-open', `the port ${this.#path} cannot be set up: ${set.error?.message ?? set.stderr.trim()}`);
    try {
      this.#in = new ReadStream(openSync(this.#path, constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK));
      this.#out = new WriteStream(openSync(this.#path, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK));
    } catch (cause) {
      throw new SluiceError('bus-open', `the port ${this.#path} cannot be opened: ${(cause as Error).message}`, { cause });
    }
    this.#in.on('data', receive);
    this.#in.on('error', () => {});
    this.#out.on('error', () => {});
  }

  write(data: Uint8Array): void {
    this.#pacer.push(data);
  }

  close(): Promise<void> {
    this.#pacer.stop();
    this.#in?.destroy();
    this.#out?.destroy();
    return Promise.resolve();
  }
}
