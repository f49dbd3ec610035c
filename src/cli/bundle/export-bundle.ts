/** `sluice export --bundle`: bundles into a folder, or to a stick of the platform. Each file appears whole, or not at all. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { type BundleQuery, MIN_BUNDLE } from '../../admin/bundles.ts';
import { bytes } from '../../admin/client.ts';
import { BundleFile } from '../../codecs/bundle/container.ts';
import { gatewayKey } from '../../codecs/bundle/keys.ts';
import { type BundlePiece, BundleSplitter } from '../../codecs/bundle/split.ts';
import type { Statement } from '../../codecs/bundle/statement.ts';
import { MAX_TOKEN, STICK_FILE } from '../../codecs/bundle/stick.ts';
import { SluiceError } from '../../core/errors.ts';
import { formatSize, parseSize } from '../../core/units.ts';
import { nobodyRuns, socketOf } from '../running.ts';
import { count } from '../words.ts';
import { FileSource, isFolder, readSmall, WholeFile } from './bundle-file.ts';
import { driveOf, type Room, roomOf } from './drive.ts';
import { stoppedBundle } from './stopped.ts';

export interface BundleOptions {
  readonly config: string;
  readonly socket?: string;
  readonly bundle: string;
  readonly forwarder?: string;
  /** A size. */
  readonly max?: string;
  /** The folder is on a stick, whatever the system says. */
  readonly stick?: boolean;
  readonly from?: string;
  readonly to?: string;
}

/** @param range UTC ms; undefined: what is not delivered */
export async function exportBundle(options: BundleOptions, range: { from?: number; to?: number }): Promise<void> {
  const folder = options.bundle;
  if (!isFolder(folder)) throw new SluiceError('usage', `there is no folder ${folder}: make it first, or mount the stick`);
  const max = boundOf(options.max, roomOf(folder), folder);
  const query: BundleQuery = { forwarder: options.forwarder, ...range, max, stick: stickOf(folder, options.stick === true) };
  const pieces = await source(options, query);
  const volumes = new Volumes(folder, range.from !== undefined || range.to !== undefined);
  try {
    for await (const piece of pieces) volumes.take(piece);
    volumes.end();
  } catch (thrown) {
    // What is whole stays, and counts.
    volumes.sayWhole();
    throw thrown;
  } finally {
    volumes.abandon();
    // After a fault the gateway would wait for somebody who takes the rest.
    await pieces.return(undefined);
  }
}

/** A file that a FAT32 stick takes, and that a copy to another one does not have to be cut for. */
const DEFAULT_MAX = '2GB';
/** Room that stays: the folder grows as well. */
const MARGIN = 65_536;

/** The bytes of one bundle. A stick with less room gets one that fits. @throws SluiceError usage */
export function boundOf(text: string | undefined, { free, largest }: Room, folder: string): number {
  const max = parseSize(text ?? DEFAULT_MAX);
  if (max === undefined || max < MIN_BUNDLE)
    throw new SluiceError(
      'usage',
      `--max ${text}: write a size of at least ${formatSize(MIN_BUNDLE)}, for example ${DEFAULT_MAX}`,
    );
  if (max > largest)
    throw new SluiceError(
      'usage',
      `--max ${text}: ${folder} is FAT32, which has no file of 4 GB or more; write --max ${DEFAULT_MAX}`,
    );
  // Most bundles are much smaller than the smallest bound: the disk itself says whether there is room.
  return Math.max(MIN_BUNDLE, Math.min(max, free - MARGIN));
}
function noRoom(folder: string): SluiceError {
  return new SluiceError('usage', `the next file was not written to ${folder}: there is no room; make room, or take another one`);
}

/**
 * Bytes that are written and not yet on the disk. The gateway ends an answer that is not read for 60 s, so a slow stick may not take
 * the whole of a file at its end.
 */
const SETTLE_EVERY = 16 * 1024 ** 2;

/** A bundle on its way into its file. It is hashed as it comes: reading gigabytes again would keep the gateway waiting, too. */
class VolumeFile {
  readonly out: WholeFile;
  size = 0;
  readonly #hash = createHash('sha256');
  #signed = 0;
  #unsettled = 0;

  constructor(folder: string) {
    this.out = new WholeFile(folder);
  }

  /** @throws SluiceError usage */
  take({ bytes, signed }: BundlePiece): void {
    this.out.write(bytes);
    this.#hash.update(bytes.subarray(0, signed));
    this.#signed += signed;
    this.size += bytes.length;
    this.#unsettled += bytes.length;
    if (this.#unsettled < SETTLE_EVERY) return;
    this.out.settle();
    this.#unsettled = 0;
  }

  /** @throws SluiceError bundle-refused: it was cut off, or changed on its way */
  prove(): Statement {
    const file = new BundleFile(new FileSource(this.out.fd));
    const key = gatewayKey(file.head.key);
    if (key === undefined) throw new SluiceError('internal', 'the gateway sent a bundle without its key');
    return file.verifyHashed(key, { length: this.#signed, sha256: this.#hash.digest('hex') }).statement;
  }
}

/** The files of an export. Each gets its name when it is proven to be whole, and before the next one begins. */
class Volumes {
  readonly #folder: string;
  readonly #ranged: boolean;
  readonly #splitter = new BundleSplitter();
  #file: VolumeFile | undefined;
  /** The last one, whole but without a name: the number in it depends on whether there are more. */
  #waits: { readonly out: WholeFile; readonly statement: Statement; readonly size: number } | undefined;
  #written = 0;

  /** @param ranged they are of a time range */
  constructor(folder: string, ranged: boolean) {
    this.#folder = folder;
    this.#ranged = ranged;
  }

  /** @throws SluiceError usage, bundle-refused */
  take(bytes: Uint8Array): void {
    for (const piece of this.#splitter.take(bytes)) {
      if (this.#waits !== undefined) this.#name(this.#written + 1);
      if (this.#file === undefined) {
        if (this.#written > 0 && roomOf(this.#folder).free - MARGIN < MIN_BUNDLE) throw noRoom(this.#folder);
        this.#file = new VolumeFile(this.#folder);
      }
      this.#file.take(piece);
      if (piece.ends) this.#prove(this.#file);
    }
  }

  /** @throws SluiceError bundle-refused: the last one was cut off on its way */
  end(): void {
    if (this.#file !== undefined) this.#prove(this.#file);
    if (this.#waits === undefined) return;
    const { statement } = this.#waits;
    if (this.#written === 0 && statement.records + statement.notices === 0) process.stderr.write(`${nothingWords(statement)}\n`);
    else this.#name(this.#written === 0 ? undefined : this.#written + 1);
    if (this.#written > 0) process.stderr.write('On the computer of the platform: sluice import FILE\n');
  }

  sayWhole(): void {
    if (this.#written === 0) return;
    const are = this.#written === 1 ? 'The bundle above is' : `The ${this.#written} bundles above are`;
    // No receipt follows a time range.
    const rest = this.#ranged
      ? 'The rest of that time is missing: write all of it to a larger stick, or a shorter time with --from and --to.'
      : 'The rest stays in the gateway: it comes with the next export after their receipts, or with all of it on a larger stick.';
    process.stderr.write(`sluice: ${are} whole, and can be carried. ${rest}\n`);
  }

  /** Nothing stays of what has no name. */
  abandon(): void {
    this.#file?.out.abandon();
    this.#waits?.out.abandon();
  }

  /** What was cut off on its way never gets the name of a bundle. */
  #prove(file: VolumeFile): void {
    this.#waits = { out: file.out, statement: file.prove(), size: file.size };
    this.#file = undefined;
  }

  #name(volume: number | undefined): void {
    if (this.#waits === undefined) return;
    const { out, statement, size } = this.#waits;
    const name = out.finish(nameOf(statement, volume));
    this.#waits = undefined;
    this.#written++;
    process.stdout.write(`${name}\n`);
    process.stderr.write(`${contentWords(statement)}, ${formatSize(size)}.\n`);
  }
}

export function contentWords({ records, readings, notices }: Statement): string {
  return `${count(records, 'record')} with ${count(readings, 'reading')}, ${count(notices, 'alarm or event', 'alarms and events')}`;
}

function nothingWords({ forwarder }: Statement): string {
  return forwarder === undefined
    ? 'The log has nothing of that time; no bundle was written.'
    : `Everything of ${forwarder} is delivered; no bundle was written.`;
}

/** In the order of time and of their numbers, and one for each bundle. */
function nameOf({ gateway, forwarder, made, bundle }: Statement, volume: number | undefined): string {
  const time = new Date(Math.min(made, 8.64e15)).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${gateway}-${forwarder ?? 'range'}-${time}-${volume === undefined ? '' : `${String(volume).padStart(3, '0')}-`}${bundle.slice(0, 8)}.sluice`;
}

function stickOf(folder: string, isStick: boolean): BundleQuery['stick'] {
  const { top, id, removable } = driveOf(folder);
  if (!isStick && !removable) return undefined;
  const file = path.join(top, STICK_FILE);
  if (!existsSync(file))
    throw new SluiceError(
      'bundle-refused',
      `${top} is a stick without ${STICK_FILE}, so it belongs to no platform; nothing was written. The platform makes a stick with: sluice platform stick FOLDER`,
    );
  return { token: readSmall(file, MAX_TOKEN), id };
}

async function source(options: BundleOptions, query: BundleQuery): Promise<AsyncGenerator<Uint8Array>> {
  const socket = socketOf(options);
  if (options.socket === undefined && !existsSync(socket)) return stoppedBundle(options.config, query);
  // `24h` counts back from the time of the gateway.
  const pieces = bytes(socket, '/api/v1/bundle', { ...query, from: options.from, to: options.to });
  return orElse(pieces, () => stoppedBundle(options.config, query), options.socket === undefined);
}

/** The socket of a gateway that was killed: its files are read. */
async function* orElse(
  pieces: AsyncGenerator<Uint8Array>,
  other: () => AsyncGenerator<Uint8Array>,
  may: boolean,
): AsyncGenerator<Uint8Array> {
  let begun = false;
  try {
    for await (const piece of pieces) {
      begun = true;
      yield piece;
    }
  } catch (thrown) {
    if (begun || !may || !nobodyRuns(thrown)) throw thrown;
    yield* other();
  }
}
