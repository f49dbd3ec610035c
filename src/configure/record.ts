/**
 * What the gateway remembers of configurations from upstream, in `<stateDir>/config/`: `upstream.json` and its copy, and each text as
 * `upstream-<version>.yaml`. Invariants:
 * - A change counts from the moment at which one of the two files has it: the one with the higher serial is read.
 * - A text is written before the record names it, and removed after the record names it no longer.
 * - When both files are damaged, nobody knows which versions were tried. Nothing is taken from upstream then.
 */
import { createHash } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { readOwnNow, writeOwn } from '../access/state-file.ts';
import { MOST_VERSION } from '../core/configure-keys.ts';
import { OUTCOMES } from '../core/configuring.ts';
import { folderMade } from '../store/files/make-folder.ts';

const FILES = ['upstream.json', 'upstream-copy.json'] as const;
const TEXT = /^upstream-\d{1,10}\.yaml(?:\.new)?$/;
const MOST_RECORD = 64 * 1024;
/** A message holds less (control/remote/message.ts). */
const MOST_TEXT = 256 * 1024;
const MOST_WORDS = 2000;

const version = z.int().min(1).max(MOST_VERSION);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const forwarder = z.string().max(100);
const id = z.string().max(64);
const kept = z.strictObject({
  version,
  /** SHA-256 of the text, and of the file on the board that was in force when it came. */
  sha256: digest,
  base: digest,
  /** Fingerprint of the key that signed it. */
  key: z.string().max(64),
  forwarder,
  /** UTC milliseconds. */
  time: z.number(),
});
const answer = { id, owner: z.string().max(200), topic: z.string().max(1000).optional() };
const recordSchema = z.strictObject({
  v: z.literal(1),
  serial: z.int().min(1),
  /** The highest version that began. A version begins once. */
  floor: z.int().min(0).max(MOST_VERSION),
  /** It proved itself and is in force. */
  current: kept.optional(),
  /** It is in force and has not proven itself. */
  trial: kept.extend(answer).optional(),
  last: z
    .strictObject({
      ...{ version, forwarder, ...answer },
      /** Absent in records of earlier versions. */
      key: kept.shape.key.optional(),
      outcome: z.enum(OUTCOMES),
      message: z.string().max(MOST_WORDS),
      time: z.number(),
      /** Whether upstream has the answer. */
      received: z.boolean(),
    })
    .optional(),
});
type Written = z.output<typeof recordSchema>;
export type PushRecord = Omit<Written, 'v' | 'serial'>;
export type Kept = z.output<typeof kept>;
export type Last = NonNullable<PushRecord['last']>;

/** Words for people, as long as a record keeps them. */
export const bounded = (words: string): string => (words.length <= MOST_WORDS ? words : `${words.slice(0, MOST_WORDS - 1)}…`);

export function outcomeOf(
  { version, forwarder, id, owner, topic, key }: Pick<Last, 'version' | 'forwarder' | 'id' | 'owner' | 'topic' | 'key'>,
  outcome: Last['outcome'],
  message: string,
  time: number,
): Last {
  return {
    version,
    forwarder,
    id,
    owner,
    ...(topic === undefined ? {} : { topic }),
    ...(key === undefined ? {} : { key }),
    outcome,
    message: bounded(message),
    time,
    received: false,
  };
}

export const EMPTY: PushRecord = { floor: 0 };
export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

export class PushStore {
  readonly folder: string;
  readonly #of: 'self' | 'anybody';
  readonly #put: typeof writeOwn;
  #serial = 0;
  /** One of the two files is damaged, missing or older: the next write mends it. */
  alone = false;

  /**
   * @param folder `<stateDir>/config`
   * @param of `anybody`: only to look, as root does
   * @param put writes a file whole; tests end it in the middle
   */
  constructor(folder: string, of: 'self' | 'anybody' = 'self', put: typeof writeOwn = writeOwn) {
    this.folder = folder;
    this.#of = of;
    this.#put = put;
  }

  /** The record; `damaged`: there was one, and nobody knows what it said. Never throws. */
  read(): PushRecord | 'damaged' {
    const found = FILES.map((name) => readOwnNow(path.join(this.folder, name), MOST_RECORD, this.#of));
    if (found.every(({ kind }) => kind === 'none')) return EMPTY;
    const records = found.flatMap((one) => (one.kind === 'text' ? parse(one.text) : []));
    const newest = records.reduce<Written | undefined>((a, b) => (a === undefined || b.serial > a.serial ? b : a), undefined);
    if (newest === undefined) return 'damaged';
    this.#serial = Math.max(this.#serial, newest.serial);
    this.alone = records.filter(({ serial }) => serial === newest.serial).length < FILES.length;
    const { v: _, serial: __, ...record } = newest;
    return record;
  }

  /**
   * Resolves when it counts, after a power cut too. Rejects with the fault of the file system; then the old one counts. With `UnsyncedError`
   * the new one counts until another one is written, and a power cut may leave either.
   */
  async write(record: PushRecord): Promise<void> {
    await folderMade(this.folder, 0o750);
    // One that failed may be there all the same: the next one is above it.
    this.#serial++;
    const text = `${JSON.stringify({ v: 1, serial: this.#serial, ...record })}\n`;
    const [first, second] = FILES.map((name) => path.join(this.folder, name)) as [string, string];
    await this.#put(first, text);
    // It counts already. A copy that is missing is written with the next record.
    await this.#put(second, text).catch(() => {});
    await this.#tidy(record);
  }

  /** Before the record names it. Rejects with the fault of the file system. */
  async writeText(of: number, text: string): Promise<void> {
    await folderMade(this.folder, 0o750);
    await this.#put(this.#text(of), text);
  }

  /** The text as it was written; undefined: it is missing or damaged. */
  text({ version: of, sha256 }: Kept): string | undefined {
    const found = readOwnNow(this.#text(of), MOST_TEXT, this.#of);
    return found.kind === 'text' && digestOf(found.text) === sha256 ? found.text : undefined;
  }

  async #tidy({ current, trial }: PushRecord): Promise<void> {
    const used = [current, trial].flatMap((one) => (one === undefined ? [] : [path.basename(this.#text(one.version))]));
    for (const name of await readdir(this.folder))
      if (TEXT.test(name) && !used.includes(name)) await rm(path.join(this.folder, name), { force: true }).catch(() => {});
  }

  #text(of: number): string {
    return path.join(this.folder, `upstream-${of}.yaml`);
  }
}

/** A record that an earlier version wrote calls `received` by another name. */
function renamed(key: string, value: unknown): unknown {
  if (key !== 'last' || typeof value !== 'object' || value === null || !('told' in value)) return value;
  const { told, ...last } = value;
  return { received: told, ...last };
}

function parse(text: string): Written[] {
  try {
    const found = recordSchema.safeParse(JSON.parse(text, renamed));
    return found.success ? [found.data] : [];
  } catch {
    return [];
  }
}
