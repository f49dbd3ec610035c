/**
 * The revisions of flows on the disk, one file each (revision-file.ts). Invariants:
 * - A revision is there whole or not at all: it is written beside, synced, linked to its name, and the folder is synced.
 * - No file is written over. A second writer in the folder gets another number.
 * - At most MOST revisions. Those of people take at most MOST_BYTES, and so do those that nobody known deployed. The newest and the
 *   last that ran well stay, whatever comes.
 * - Revisions that nobody known deployed take at most UNKNOWN places, and no room of the others: a flow that deploys by itself cannot
 *   push out those of people.
 * - Damage to a file loses that revision. It is set aside, at most ASIDE of them, and counted.
 * - What is read is a file of the gateway's own user or of root, no link, and no larger than MOST_FILE.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { readOwn, readOwnBytes, setAside, syncFolder, writeOwn } from '../../access/state-file.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import {
  contentOf,
  type FlowsContent,
  type FlowsSummary,
  fileOf,
  hashOf,
  headOf,
  MOST_FILE,
  packed,
  passwordsOf,
  type RevisionHead,
  record,
} from './revision-file.ts';

export const MOST = 50;
/** Revisions of people have it, and those of nobody known as much again. */
export const MOST_BYTES = 10_000_000;
export const UNKNOWN = 20;
/** Damaged files that are left for a person to look at. */
const ASIDE = 3;
/** Names of files that are looked at; more are left alone. */
const MOST_NAMES = 1000;
/** Other writers that took the number first. */
const TRIES = 20;
/** A number in the mark of what ran well that a store can reach. */
const MOST_NUMBER = 999_999_999;
export const UNKNOWN_WHO = 'unknown';
const NAME = /^(\d{1,12})\.flows$/;
const ASIDE_NAME = /^(\d{1,12})\.flows\.damaged$/;
const BESIDE_NAME = /^\d{1,12}\.flows\.[0-9a-f]{8}\.new$/;
const WELL_FILE = 'ran-well.json';

export interface StoredRevision extends RevisionHead {
  /** Bytes of its file. */
  readonly stored: number;
}

export type NewRevision = Pick<RevisionHead, 'time' | 'estimated' | 'who' | 'door' | 'origin' | 'of'>;

export class RevisionStore {
  readonly #folder: string;
  /** By number, in order. */
  #all: StoredRevision[] = [];
  #highest = 0;
  #well: number | undefined;
  /** Since the start. */
  damaged = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Reads what is there. Rejects where the folder cannot be used. */
  async open(): Promise<void> {
    await mkdir(this.#folder, { mode: 0o700, recursive: true });
    const names = (await readdir(this.#folder)).sort().slice(-MOST_NAMES);
    const aside: string[] = [];
    this.#all = [];
    for (const name of names) {
      const number = Number((NAME.exec(name) ?? ASIDE_NAME.exec(name))?.[1] ?? 0);
      this.#highest = Math.max(this.#highest, number);
      if (BESIDE_NAME.test(name)) await rm(this.#file(name), { force: true });
      else if (ASIDE_NAME.test(name)) aside.push(name);
      else if (NAME.test(name)) await this.#take(name, number);
    }
    for (const name of aside.sort(byNumber).slice(0, -ASIDE)) await rm(this.#file(name), { force: true });
    this.#all.sort((a, b) => a.number - b.number);
    const well = await readOwn(this.#file(WELL_FILE), 1000);
    const kept = well.kind === 'text' ? record(well.text)?.well : undefined;
    this.#well = Number.isInteger(kept) && Number(kept) <= MOST_NUMBER ? Number(kept) : undefined;
    // Where somebody deleted the file of that revision, the next one must not pass for it.
    this.#highest = Math.max(this.#highest, this.#well ?? 0);
    await this.#prune();
  }

  /** In order, the oldest first. */
  get all(): readonly StoredRevision[] {
    return this.#all;
  }
  get newest(): StoredRevision | undefined {
    return this.#all.at(-1);
  }
  /** The last that ran well. */
  get well(): number | undefined {
    return this.#all.some(({ number }) => number === this.#well) ? this.#well : undefined;
  }

  /** @throws SluiceError not-found: there is none, or it is damaged */
  async read(number: number): Promise<FlowsContent> {
    const found = this.#all.find((one) => one.number === number);
    if (found === undefined) throw new SluiceError('not-found', `there is no revision ${number}; sluice flows list shows all`);
    try {
      const read = await readOwnBytes(this.#file(nameOf(number)), MOST_FILE);
      if (read.kind !== 'bytes') throw new Error(read.kind === 'none' ? 'its file is gone' : `its file ${read.why}`);
      return await contentOf(read.bytes);
    } catch (thrown) {
      this.#all = this.#all.filter((one) => one !== found);
      await this.#aside(nameOf(number));
      throw new SluiceError(
        'not-found',
        `the revision ${number} is damaged (${toError(thrown).message}); choose another one: sluice flows list`,
      );
    }
  }

  /** Keeps flows. Rejects with the fault of the file system; all others are there as before. */
  async add(about: NewRevision, summary: FlowsSummary, content: FlowsContent): Promise<StoredRevision> {
    const body = await packed(content);
    const [hash, passwords, bytes] = [hashOf(content), passwordsOf(content), Buffer.byteLength(content.flows)];
    for (let tries = 0; ; tries++) {
      const number = this.#highest + 1;
      const head: RevisionHead = { number, ...about, hash, passwords, bytes, ...summary };
      const file = fileOf(head, body);
      if (file.length > MOST_FILE)
        throw new SluiceError(
          'request-invalid',
          `these flows take ${file.length} bytes, and a revision has at most ${MOST_FILE}`,
        );
      this.#highest = number;
      if (!(await this.#write(nameOf(number), file))) {
        if (tries < TRIES) continue;
        throw new SluiceError('busy', `${this.#folder} takes no revision: it is gone, or something else writes into it`);
      }
      const stored = { ...head, stored: file.length };
      this.#all.push(stored);
      await this.#prune();
      return stored;
    }
  }

  /** Flows of this revision ran for a while without a fault. */
  async markWell(number: number): Promise<void> {
    if (number === this.#well) return;
    await writeOwn(this.#file(WELL_FILE), `${JSON.stringify({ v: 1, well: number })}\n`);
    this.#well = number;
  }

  /** @returns false: another writer was faster */
  async #write(name: string, bytes: Uint8Array): Promise<boolean> {
    const file = this.#file(name);
    const beside = `${file}.${randomBytes(4).toString('hex')}.new`;
    try {
      const handle = await open(beside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await link(beside, file);
    } catch (thrown) {
      // The number is taken; or a second writer cleared up what it took for a leftover.
      if (codeOf(thrown) === 'EEXIST' || codeOf(thrown) === 'ENOENT') return false;
      throw thrown;
    } finally {
      // What is there of it would take room on a full disk.
      await rm(beside, { force: true }).catch(() => {});
    }
    await syncFolder(file);
    return true;
  }

  /** The oldest go. */
  async #prune(): Promise<void> {
    for (;;) {
      const stays = (one: StoredRevision): boolean => one === this.newest || one.number === this.#well;
      const may = this.#all.filter((one) => !stays(one));
      const [unknown, people] = [this.#all.filter(isUnknown), this.#all.filter((one) => !isUnknown(one))];
      const goes =
        unknown.length > UNKNOWN || bytesOf(unknown) > MOST_BYTES
          ? may.find(isUnknown)
          : bytesOf(people) > MOST_BYTES
            ? may.find((one) => !isUnknown(one))
            : this.#all.length > MOST
              ? may[0]
              : undefined;
      if (goes === undefined) return;
      await rm(this.#file(nameOf(goes.number)), { force: true });
      this.#all = this.#all.filter((one) => one !== goes);
    }
  }

  async #take(name: string, number: number): Promise<void> {
    const read = await readOwnBytes(this.#file(name), MOST_FILE);
    if (read.kind === 'none') return;
    const head = read.kind === 'bytes' ? headOf(read.bytes) : undefined;
    if (read.kind === 'bytes' && head?.number === number) this.#all.push({ ...head, stored: read.bytes.length });
    else await this.#aside(name);
  }

  async #aside(name: string): Promise<void> {
    this.damaged++;
    // A folder in its place, or one that is gone, cannot be moved; it is left out all the same.
    await setAside(this.#file(name)).catch(() => {});
    const names = await readdir(this.#folder).catch((): string[] => []);
    const old = names.filter((one) => ASIDE_NAME.test(one)).sort(byNumber);
    for (const one of old.slice(0, -ASIDE)) await rm(this.#file(one), { force: true, recursive: true }).catch(() => {});
  }

  #file(name: string): string {
    return path.join(this.#folder, name);
  }
}

const nameOf = (number: number): string => `${String(number).padStart(6, '0')}.flows`;
const isUnknown = ({ who }: StoredRevision): boolean => who === UNKNOWN_WHO;
const bytesOf = (all: readonly StoredRevision[]): number => all.reduce((sum, { stored }) => sum + stored, 0);
const byNumber = (a: string, b: string): number => Number.parseInt(a, 10) - Number.parseInt(b, 10);

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
}
