/**
 * Damage as cards, power and people do it, to any of the files of a log. Everything follows from the seed; what was done
 * is described, so that a run can be repeated by hand.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { random } from '../oracles/store-samples.ts';

export const KINDS = ['flips', 'cuts', 'zeros', 'headers', 'garbage', 'swapped pages', "another program's file"] as const;
export type Kind = (typeof KINDS)[number];
/** Bytes by the name of the file. */
export type Files = ReadonlyMap<string, Buffer>;

const KIB = 1024;
type Random = ReturnType<typeof random>;

/** @returns the files as they are afterwards, and what was done */
export function damage(kind: Kind, seed: number, files: Files): { files: Map<string, Buffer>; done: string[] } {
  const next = random(seed * 7919 + KINDS.indexOf(kind));
  const names = [...files.keys()];
  const out = new Map<string, Buffer>([...files].map(([name, bytes]) => [name, Buffer.from(bytes)]));
  const done: string[] = [];
  const hit = names.filter(() => next(2) === 0);
  if (hit.length === 0) hit.push(next.pick(names));
  for (const name of hit) {
    const before = out.get(name) as Buffer;
    const { bytes, words } = once(kind, next, Buffer.from(before), stepOf(name), name);
    out.set(name, bytes);
    done.push(`${name} (${before.length} bytes): ${words}`);
  }
  return { files: out, done };
}

function once(kind: Kind, next: Random, bytes: Buffer, page: number, name: string): { bytes: Buffer; words: string } {
  const noise = (length: number) => Buffer.from(Array.from({ length }, () => next(256)));
  const anywhere = () => next(Math.max(1, bytes.length));
  switch (kind) {
    case 'flips': {
      // A header is a small part of a file, and the worst one to be hit.
      const within = next.pick([100, 2 * page, bytes.length]);
      const count = 1 + next(next.pick([1, 8, 40]));
      const at = Array.from({ length: count }, () => next(Math.max(1, Math.min(within, bytes.length))));
      for (const i of at) if (i < bytes.length) bytes[i] = (bytes[i] as number) ^ (1 << next(8));
      return { bytes, words: `bits flipped at ${at.join(' ')}` };
    }
    case 'cuts': {
      const length = next.pick([0, 20, anywhere(), anywhere() - (anywhere() % page)]);
      return { bytes: bytes.subarray(0, Math.max(0, length)), words: `cut to ${length}` };
    }
    case 'zeros': {
      const ranges = next(4) === 0 ? [[0, bytes.length] as const] : places(next, bytes, page);
      for (const [from, to] of ranges) bytes.fill(0, from, to);
      return { bytes, words: `zeros over ${words(ranges)}` };
    }
    case 'headers': {
      const how = next(4);
      if (how === 0) {
        for (let at = 0; at < bytes.length; at += KIB) noise(24).copy(bytes, at);
        return { bytes, words: '24 random bytes at the start of every KiB' };
      }
      if (how === 1 && bytes.length > 64) {
        const at = 60 + next(4);
        bytes[at] = (bytes[at] as number) ^ (1 << next(8));
        return { bytes, words: `user_version flipped at ${at}` };
      }
      const length = next.pick([32, 100, 512, 4 * KIB]);
      noise(length).copy(bytes);
      return { bytes, words: `random bytes over the first ${length}` };
    }
    case 'garbage': {
      const how = next(6);
      if (how === 0) return { bytes: noise(bytes.length), words: 'random bytes all over' };
      if (how === 1) {
        const more = noise(1 + next(20 * KIB));
        return { bytes: Buffer.concat([bytes, more]), words: `${more.length} random bytes behind the end` };
      }
      const ranges = places(next, bytes, page);
      for (const [from, to] of ranges) noise(to - from).copy(bytes, from);
      return { bytes, words: `random bytes over ${words(ranges)}` };
    }
    case 'swapped pages': {
      const pages = Math.floor(bytes.length / page);
      const pairs = Array.from(
        { length: pages < 2 ? 0 : 1 + next(next.pick([1, 10])) },
        () => [next(pages), next(pages)] as const,
      );
      for (const [a, b] of pairs) {
        const was = Buffer.from(bytes.subarray(a * page, (a + 1) * page));
        bytes.copy(bytes, a * page, b * page, (b + 1) * page);
        was.copy(bytes, b * page);
      }
      return { bytes, words: `pages swapped: ${pairs.map((p) => p.join('/')).join(' ')}` };
    }
    case "another program's file": {
      const { words, bytes: other } = foreign(next, name);
      return { bytes: other, words };
    }
  }
}

/** Up to eight ranges of up to eight pages, from the start of a page or from anywhere. */
function places(next: Random, bytes: Buffer, page: number): [from: number, to: number][] {
  return Array.from({ length: 1 + next(8) }, () => {
    const at = next(Math.max(1, bytes.length));
    const from = next(2) === 0 ? at - (at % page) : at;
    return [from, Math.min(bytes.length, from + 1 + next(8 * page))];
  });
}
function words(ranges: readonly (readonly [number, number])[]): string {
  return ranges.map(([a, b]) => `${a}..${b}`).join(' ');
}
/** Length of a page, or of a frame with its head. */
function stepOf(name: string): number {
  if (name.endsWith('-wal')) return KIB + 24;
  return name.startsWith('history') ? 4 * KIB : KIB;
}

/** A database of somebody else with each of its files, and files that are none. */
function foreign(next: Random, name: string): { words: string; bytes: Buffer } {
  const dir = mkdtempSync(path.join(tmpdir(), 'sluice-foreign-'));
  try {
    const file = path.join(dir, 'recipes.db');
    const pageSize = next.pick([KIB, 4 * KIB]);
    const mode = name.endsWith('-wal') || name.endsWith('-shm') ? 'wal' : next.pick(['wal', 'persist']);
    const db = new Database(file);
    db.pragma(`page_size = ${pageSize}`);
    db.pragma(`journal_mode = ${mode}`);
    db.exec('create table recipes (id integer primary key, name text, eggs integer); create table meta (name text, value text)');
    const put = db.prepare('insert into recipes (name, eggs) values (?, ?)');
    for (let i = 0; i < 20 + next(600); i++) put.run(`cake ${i} ${'butter '.repeat(next(40))}`, next(12));
    // In the middle of a transaction that is larger than the cache: the journal would be played back.
    db.pragma('cache_size = 2');
    if (mode !== 'wal') {
      db.exec('begin');
      db.exec("update recipes set name = name || ' with sugar'");
    }
    const end = name.endsWith('-wal') ? '-wal' : name.endsWith('-journal') ? '-journal' : name.endsWith('-shm') ? '-shm' : '';
    const read = (from: string): Buffer => {
      try {
        return readFileSync(from);
      } catch {
        return Buffer.alloc(0);
      }
    };
    const own = read(file + end);
    const whole = read(file);
    db.close();
    const text = Buffer.from('# Shopping list\n\n- eggs\n- butter\n'.repeat(1 + next(400)));
    const picture = Buffer.concat([
      Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
      Buffer.from(Array.from({ length: 9000 }, () => next(256))),
    ]);
    return next.pick([
      { words: `the ${end === '' ? 'database' : end} of another program (${mode}, pages of ${pageSize})`, bytes: own },
      { words: `the ${end === '' ? 'database' : end} of another program (${mode}, pages of ${pageSize})`, bytes: own },
      { words: 'the database of another program', bytes: whole },
      { words: 'a text', bytes: text },
      { words: 'a picture', bytes: picture },
    ]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
