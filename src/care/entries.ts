/**
 * The files in a backup, one behind the other: `u32` length of a head, head (JSON), bytes of the file; 0 ends them. There are ordinary
 * files only, under names of a fixed list, so no entry can lead out of the two folders that a restore writes to.
 */

import { refused } from './archive.ts';
import { jsonOf } from './json-of.ts';

const MAX_ENTRY_HEAD = 1024;
export const MOST_ENTRIES = 2000;
/** The most of every other file, bytes: flows are the largest. */
export const MOST_SMALL = 16 * 1024 * 1024;
/** The configuration and all files beside it (keys, certificates, profiles) may take so much. Their disk is often small. Bytes. */
export const MOST_CONFIGS = 32 * 1024 * 1024;
/** The most of a file of the log, bytes: `buffer.maxSize` is a choice of the site. Nothing is allocated by it. */
const MOST_LARGE = 64 * 1024 ** 3;

export const CARD_RECORD = 'provision/applied.json';
export const LARGE_FILES: readonly string[] = ['log.db', 'history.db'];
/** Under the folder of the configuration: no hidden file, no way up. */
const CONFIG_NAME = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}\/){0,4}[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}$/;
const STATE_NAMES: readonly string[] = [
  ...LARGE_FILES,
  ...['access.json', 'gateway.key', 'node-red.secret', 'tls/own.pem', 'tls/ca.crt'],
  ...['node-red/flows.json', 'node-red/flows_cred.json'],
  // Which file of a card is in force (provisioning/record.ts): a new board with the same card does not apply it over this gateway.
  CARD_RECORD,
];
/** Secrets that a card brought (provisioning/apply.ts): the configuration names them. */
const SECRET = /^secrets\/[a-z0-9][a-z0-9._-]{0,100}$/;
/** What came from upstream (configure/record.ts). */
const UPSTREAM = /^config\/upstream(?:\.json|-copy\.json|-\d{1,10}\.yaml)$/;
const REVISION = /^flow-revisions\/(?:(\d{1,12})\.flows|ran-well\.json)$/;
export const GATEWAY_YAML = 'gateway.yaml';
/** The file of a gateway that ran with its last good configuration. */
export const BROKEN_YAML = 'gateway.yaml.broken';

export interface Entry {
  readonly where: 'config' | 'state';
  /** Relative, of the list above. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

export const isConfigName = (name: string): boolean => CONFIG_NAME.test(name) && !name.split('/').includes('..');
export const isStateName = (name: string): boolean =>
  STATE_NAMES.includes(name) || REVISION.test(name) || SECRET.test(name) || UPSTREAM.test(name);

/** The number of a revision of flows; undefined: the file is none. */
export function revisionOf(name: string): number | undefined {
  const [, number] = REVISION.exec(name) ?? [];
  return number === undefined ? undefined : Number(number);
}

export function entryHead({ where, name, size }: Entry): Buffer {
  const text = Buffer.from(JSON.stringify({ where, name, size }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return Buffer.concat([length, text]);
}
export const END = Buffer.alloc(4);

/** The entries of a backup. Each one's bytes have to be taken before the next entry is asked for. @throws SluiceError backup-refused */
export function* readEntries(pieces: Iterable<Uint8Array>): Generator<{ entry: Entry; bytes: () => Generator<Uint8Array> }> {
  const reader = new PieceReader(pieces[Symbol.iterator]());
  const seen = new Set<string>();
  for (;;) {
    const length = reader.take(4).readUInt32LE();
    if (length === 0) break;
    if (length > MAX_ENTRY_HEAD) throw refused('has a content that this version of Sluice does not know');
    const entry = parseEntry(reader.take(length).toString('utf8'));
    const key = `${entry.where}/${entry.name}`;
    if (seen.has(key) || seen.size >= MOST_ENTRIES) throw refused(`names ${key} twice, or has too many files`);
    seen.add(key);
    let taken = false;
    yield {
      entry,
      bytes: function* () {
        taken = true;
        yield* reader.pass(entry.size);
      },
    };
    if (!taken) for (const _ of reader.pass(entry.size));
  }
  reader.end();
}

function parseEntry(text: string): Entry {
  const { where, name, size } = jsonOf(text) ?? {};
  if ((where !== 'config' && where !== 'state') || typeof name !== 'string' || typeof size !== 'number')
    throw refused('is damaged (a file in it)');
  if (where === 'config' ? !isConfigName(name) : !isStateName(name))
    throw refused(`holds a file that no backup has (${JSON.stringify(name.slice(0, 100))}): nothing was restored`);
  const most = where === 'state' && LARGE_FILES.includes(name) ? MOST_LARGE : MOST_SMALL;
  if (!Number.isSafeInteger(size) || size < 0 || size > most)
    throw refused(`says that ${name} has ${size} bytes, which it cannot have`);
  return { where, name, size };
}

/** Gives bytes in the lengths that are asked for; holds one piece. */
class PieceReader {
  readonly #pieces: Iterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(pieces: Iterator<Uint8Array>) {
    this.#pieces = pieces;
  }

  /** @param length is small */
  take(length: number): Buffer {
    while (this.#rest.length < length) this.#rest = Buffer.concat([this.#rest, this.#next()]);
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  *pass(length: number): Generator<Uint8Array> {
    for (let left = length; left > 0; ) {
      if (this.#rest.length === 0) this.#rest = Buffer.from(this.#next());
      const part = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  /** Nothing may follow; the last pieces are proven by this. */
  end(): void {
    for (let next = this.#pieces.next(); ; next = this.#pieces.next()) {
      if (this.#rest.length > 0) throw refused('has bytes behind its end');
      if (next.done === true) return;
      this.#rest = Buffer.from(next.value);
    }
  }

  #next(): Uint8Array {
    const next = this.#pieces.next();
    if (next.done === true) throw refused('is damaged: a file in it is not complete');
    return next.value;
  }
}
