/**
 * What a card knows about updates, in a folder of root: the user of the gateway could otherwise name keys that root believes.
 *
 * - `trust.json` exists twice. A revocation is forgotten only when both are gone; when both are damaged, no update is taken.
 * - Any other file may be damaged or missing: a download begins anew, and the failed release may be tried again.
 * - What ran well before an update is believed only whole: a damaged record counts as none.
 */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { SluiceError } from '../core/errors.ts';
import { replaceFile } from '../disk/durable.ts';
import { StateDirLock } from '../store/state-dir.ts';
import { readBounded, readJson } from './files.ts';
import { type Before, beforeSchema } from './health.ts';
import { updateKey } from './keys.ts';
import { layoutsSchema, MOST_KEYS, MOST_REVOKED, type Trust } from './manifest.ts';

const MOST_FILE = 256 * 1024;
/** Keys in the file: those of several images come together. */
const MOST_KEPT = 64;

const fingerprint = z.string().regex(/^[0-9a-f]{32}$/);
const trustFile = z.strictObject({
  v: z.literal(1),
  keys: z.array(z.string()).max(MOST_KEPT),
  revoked: z.array(fingerprint).max(MOST_REVOKED),
  sequence: z.int().min(0),
});
/** What an image says of itself: `release.json`. */
export const releaseFile = z.strictObject({
  v: z.literal(1),
  target: z.string().max(40),
  version: z.string().max(64),
  sequence: z.int().min(0),
  keys: z.array(z.string()).max(MOST_KEYS),
  revoked: z.array(fingerprint).max(MOST_REVOKED).prefault([]),
  /** How it stores readings; the manifest of its update says it. */
  layouts: layoutsSchema.optional(),
  /** Whether its kernel can make the firmware boot the other slot with a number of tries. */
  tries: z.boolean().prefault(true),
});
export type ReleaseFile = z.infer<typeof releaseFile>;

const progressFile = z.strictObject({
  v: z.literal(1),
  /** SHA-256 of the manifest that is being fetched. */
  manifest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Chunks of each part that are on the card. */
  done: z.record(z.string().max(20), z.int().min(0)),
});
export type Progress = Omit<z.infer<typeof progressFile>, 'v'>;

/** Days in the file: a clock that goes back finds what its day has taken already. */
const MOST_DAYS = 8;
/** The day that was written last is last. */
const spentFile = z.strictObject({
  v: z.literal(2),
  days: z.array(z.strictObject({ day: z.iso.date(), bytes: z.int().min(0) })).max(MOST_DAYS),
});
const attemptFile = z.strictObject({
  v: z.literal(1),
  slot: z.enum(['a', 'b']),
  version: z.string().max(64),
  sequence: z.int().min(0),
  state: z.enum(['offered', 'well', 'failed', 'rolled-back']),
  /** Why it failed, for people. */
  why: z.string().max(500).optional(),
});
/** The last update that was offered to the boot, and what became of it. */
export type Attempt = Omit<z.infer<typeof attemptFile>, 'v'>;

/** The release before writes it and the one after it reads it: the digest is of the text, whatever order a release gives to its keys. */
const beforeFile = z.strictObject({ v: z.literal(1), text: z.string().max(MOST_FILE), sha256: z.string() });
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** One behind the other: a cut leaves one of them whole. */
const TRUST = ['trust', 'trust-copy'] as const;

export class UpdateState {
  readonly #folder: string;
  readonly #release: ReleaseFile;

  /**
   * @param folder is made when it is missing
   * @param release what the running image says of itself
   * @throws SluiceError `update-refused`: the folder is a link, or belongs to another user
   */
  constructor(folder: string, release: ReleaseFile) {
    this.#folder = folder;
    this.#release = release;
    const found = lstatSync(folder, { throwIfNoEntry: false });
    if (found !== undefined && (!found.isDirectory() || found.uid !== process.geteuid?.()))
      throw new SluiceError(
        'update-refused',
        `${folder} is not a folder of the user who runs this command; run it with sudo, and remove the folder when another user made it`,
      );
  }

  /** One command changes the slots at a time. @throws SluiceError busy: another one is at work */
  lock(): { release(): void } {
    try {
      return StateDirLock.take(this.#folder);
    } catch (cause) {
      if (cause instanceof SluiceError && cause.code === 'already-running')
        throw new SluiceError(
          'busy',
          'another sluice update is at work; wait until it has ended, or stop sluice-update.service',
          {
            cause,
          },
        );
      throw cause;
    }
  }

  /** @throws SluiceError `update-refused`: nobody knows any more which keys were revoked */
  trust(): Trust {
    const files = TRUST.map((name) => this.#file(name)).filter((file) => existsSync(file));
    const read = files.map((file) => trustFile.safeParse(readJson(file, MOST_FILE))).flatMap(({ data }) => data ?? []);
    if (files.length > 0 && read.length === 0)
      throw new SluiceError(
        'update-refused',
        `${files.join(' and ')} are damaged, so the keys that were revoked are not known; write the card again, or remove both files to trust the keys of the running release`,
      );
    const revoked = new Set([...this.#release.revoked, ...read.flatMap((one) => one.revoked)]);
    const keys = new Map([...this.#release.keys, ...read.flatMap((one) => one.keys)].map((text) => [text, updateKey(text)]));
    return {
      keys: [...keys.values()].filter((key) => key !== undefined).filter((key) => !revoked.has(key.fingerprint)),
      revoked,
      sequence: Math.max(this.#release.sequence, ...read.map((one) => one.sequence)),
    };
  }
  saveTrust({ keys, revoked, sequence }: Trust): void {
    const content = { keys: keys.map(({ text }) => text), revoked: [...revoked], sequence };
    for (const name of TRUST) this.#save(name, content);
  }

  progress(manifest: string): Progress {
    const found = progressFile.safeParse(readJson(this.#file('progress'), MOST_FILE));
    return found.success && found.data.manifest === manifest ? { manifest, done: found.data.done } : { manifest, done: {} };
  }
  saveProgress(progress: Progress): void {
    this.#save('progress', progress);
  }
  dropProgress(): void {
    rmSync(this.#file('progress'), { force: true });
    for (const part of this.#indexes()) rmSync(part, { force: true });
  }

  /** The index of a part that was fetched before, so that the next try fetches only chunks. Its reader checks it. */
  index(part: string, most: number): Buffer | undefined {
    return readBounded(path.join(this.#folder, `${part}.index`), most);
  }
  saveIndex(part: string, bytes: Buffer): void {
    this.#makeFolder();
    replaceFile(path.join(this.#folder, `${part}.index`), bytes);
  }

  /** Bytes that were fetched on this day. */
  spent(day: string): number {
    return this.#days().find((one) => one.day === day)?.bytes ?? 0;
  }
  saveSpent(day: string, bytes: number): void {
    const others = this.#days().filter((one) => one.day !== day);
    this.#save('spent', { v: 2, days: [...others, { day, bytes }].slice(-MOST_DAYS) });
  }
  #days(): { readonly day: string; readonly bytes: number }[] {
    return spentFile.safeParse(readJson(this.#file('spent'), MOST_FILE)).data?.days ?? [];
  }

  attempt(): Attempt | undefined {
    const found = attemptFile.safeParse(readJson(this.#file('attempt'), MOST_FILE));
    if (!found.success) return undefined;
    const { v: _, ...attempt } = found.data;
    return attempt;
  }
  saveAttempt(attempt: Attempt): void {
    this.#save('attempt', attempt);
  }

  /** What ran well before the restart into this release; undefined: nobody knows. */
  before(sequence: number): Before | undefined {
    const { data: file } = beforeFile.safeParse(readJson(this.#file('before'), MOST_FILE));
    if (file === undefined || file.sha256 !== digestOf(file.text)) return undefined;
    const { data } = beforeSchema.safeParse(parsed(file.text));
    return data?.sequence === sequence ? data : undefined;
  }
  saveBefore(before: Before): void {
    const text = JSON.stringify(before);
    this.#save('before', { text, sha256: digestOf(text) });
  }
  dropBefore(): void {
    rmSync(this.#file('before'), { force: true });
  }

  #indexes(): string[] {
    if (!existsSync(this.#folder)) return [];
    const files = readdirSync(this.#folder, { withFileTypes: true });
    return files.filter((file) => file.isFile() && file.name.endsWith('.index')).map(({ name }) => path.join(this.#folder, name));
  }
  #makeFolder(): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }
  #file(name: string): string {
    return path.join(this.#folder, `${name}.json`);
  }
  #save(name: string, content: object): void {
    this.#makeFolder();
    replaceFile(this.#file(name), `${JSON.stringify({ v: 1, ...content })}\n`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
