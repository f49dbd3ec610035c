/** `sluice capture BUS`: the frames of a running gateway, shown, or written for an analyser and for replay. */
import { fchmodSync, fstatSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { stream } from '../admin/client.ts';
import type { CaptureHead, WireFrame } from '../admin/wire-target.ts';
import { PcapngWriter } from '../codecs/pcapng.ts';
import { SluiceError } from '../core/errors.ts';
import { formatSize, parseDuration } from '../core/units.ts';
import { VERSION } from '../core/version.ts';
import { fileWords } from './file-words.ts';
import { localClock } from './local-time.ts';
import { paint, type RunningOptions, socketOf } from './running.ts';
import { clean } from './terminal/clean.ts';
import { lineBytes, messageLine } from './wire/show.ts';

export interface CaptureOptions extends RunningOptions {
  readonly output?: string;
  readonly replay?: string;
  readonly for?: string;
}

/** Bytes of both files together; the card of a gateway must not fill up behind a forgotten terminal. */
const MOST = 256 * 1024 * 1024;
const MEDIUM = {
  'modbus-rtu': 'rtu',
  'modbus-rtu-over-tcp': 'rtu',
  'modbus-ascii': 'ascii',
  'modbus-tcp': 'tcp',
  'modbus-udp': 'udp',
  mqtt: 'mqtt',
} as const;
const ARROW = { out: '→', in: '←', noise: '?' } as const;

type Item = CaptureHead | (WireFrame & { readonly type?: undefined }) | { readonly type: 'missed'; readonly frames: number };

export async function capture(bus: string, options: CaptureOptions): Promise<void> {
  const limit = options.for === undefined ? undefined : parseDuration(options.for);
  if (options.for !== undefined && !(limit !== undefined && limit > 0))
    throw new SluiceError('usage', `--for is a duration: 30s, 1m, 2h`);
  const socket = socketOf(options);
  const files = new CaptureFiles(options);
  // Every frame is in its file before the next one is taken, so there is nothing to finish.
  const end = (code: number) => {
    process.stderr.write(`${files.summary()}\n`);
    process.exit(code);
  };
  process.once('SIGINT', () => end(0));
  process.once('SIGTERM', () => end(0));
  let timer: NodeJS.Timeout | undefined;
  try {
    for await (const item of stream(socket, '/api/v1/capture', { bus })) {
      files.take(item as Item);
      // The time is that of the capture: a busy gateway may begin it late.
      if (limit !== undefined && files.began) timer ??= setTimeout(() => end(0), limit);
      if (files.bytes > MOST) {
        process.stderr.write(`sluice: the files have ${formatSize(MOST)}; the capture ends here\n`);
        end(1);
      }
    }
  } catch (thrown) {
    clearTimeout(timer);
    if (files.began) process.stderr.write(`${files.summary()}\n`);
    throw thrown;
  }
  process.stderr.write(`the bus was stopped or changed; ${files.summary()}\n`);
  process.exit(1);
}

class CaptureFiles {
  readonly #options: CaptureOptions;
  #packets: PcapngWriter | undefined;
  #pcapng: number | undefined;
  #replay: number | undefined;
  #began = false;
  /** Shows a frame as text; undefined: as its bytes. */
  #show: ((frame: WireFrame) => string) | undefined;
  #frames = 0;
  #missed = 0;
  bytes = 0;

  constructor(options: CaptureOptions) {
    this.#options = options;
  }

  get began(): boolean {
    return this.#began;
  }

  take(item: Item): void {
    if (item.type === 'capture') this.#begin(item);
    else if (item.type === 'missed') {
      this.#missed += item.frames;
      this.#line(JSON.stringify(item));
    } else this.#frame(item);
  }

  summary(): string {
    const missed = this.#missed === 0 ? '' : `, ${this.#missed} were left out because this program was too slow`;
    const files = [this.#options.output, this.#options.replay].filter((f) => f !== undefined);
    return `${this.#frames} frames${missed}${files.length === 0 ? '' : ` in ${files.join(' and ')}`}`;
  }

  /** The file is opened no sooner: what the gateway refuses leaves no empty file behind. */
  #begin(head: CaptureHead): void {
    const { output, replay } = this.#options;
    const serial = head.protocol === 'serial' || head.protocol === 'flows';
    this.#show = serial ? shownBytes(head.protocol) : head.protocol === 'mqtt' ? messageLine : undefined;
    if (serial && (output !== undefined || replay !== undefined))
      throw new SluiceError(
        'usage',
        `${head.bus} is not a Modbus bus, so its bytes can only be shown; leave out -o and --replay`,
      );
    if (head.protocol === 'mqtt' && replay !== undefined)
      throw new SluiceError(
        'usage',
        `messages of ${head.bus} cannot be played back; leave out --replay, and write a file with -o`,
      );
    if (serial) {
      this.#began = true;
      return;
    }
    const kind = MEDIUM[head.protocol as keyof typeof MEDIUM];
    const host = typeof head.settings.host === 'string' ? head.settings.host : undefined;
    if (output !== undefined) this.#pcapng = created(output);
    if (replay !== undefined) this.#replay = created(replay);
    this.#began = true;
    this.#packets = new PcapngWriter({ kind, host, name: head.bus, program: `Sluice ${VERSION}` });
    this.#packet(this.#packets.header());
    this.#line(JSON.stringify(head));
    if (output === undefined && replay === undefined && head.clock === 'estimated')
      process.stderr.write('the clock of the gateway is not known yet, so times are estimated\n');
  }

  #frame(frame: WireFrame): void {
    const { way, time, bytes } = frame;
    this.#frames++;
    if (this.#packets !== undefined && this.#pcapng !== undefined)
      this.#packet(this.#packets.packet(way, time, Buffer.from(bytes, 'hex')));
    this.#line(JSON.stringify(frame));
    if (this.#pcapng !== undefined || this.#replay !== undefined) return;
    const shown = this.#show?.(frame) ?? `${ARROW[way]} ${bytes.replace(/(..)(?=.)/g, '$1 ')}`;
    const text = `${localClock(time)} ${shown}`;
    process.stdout.write(`${way === 'noise' ? paint(33, `${text}  (no sound frame)`) : text}\n`);
  }

  #packet(bytes: Uint8Array): void {
    if (this.#pcapng !== undefined) this.bytes += writeSync(this.#pcapng, bytes);
  }

  #line(text: string): void {
    if (this.#replay !== undefined) this.bytes += writeSync(this.#replay, `${text}\n`);
  }
}

function created(file: string): number {
  try {
    const fd = openSync(file, 'w', 0o640);
    const stat = fstatSync(fd);
    // One that was there may be open to all; a terminal or a pipe is left as it is.
    if (stat.isFile() && (stat.mode & 0o7137) !== 0) fchmodSync(fd, stat.mode & 0o640);
    return fd;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const words = missing ? `the folder ${path.dirname(file)} does not exist` : fileWords(cause);
    throw new SluiceError('usage', `${file} cannot be written: ${words}`, { cause });
  }
}

/** Flows give JSON, serial instruments anything. */
function shownBytes(protocol: string): (frame: WireFrame) => string {
  return protocol === 'flows'
    ? ({ bytes }) => `${ARROW.in} ${clean(Buffer.from(bytes, 'hex').toString('utf8'))}`
    : (frame) => lineBytes(frame).trim();
}
