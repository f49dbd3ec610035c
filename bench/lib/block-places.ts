/** Which file a block of an ext4 device belongs to: what a write reached, beside who wrote it. Needs root and e2fsprogs. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { BlockWrite } from './block-trace.ts';
import type { Card } from './card.ts';

/** Every place that is no file: inodes, bitmaps, folders, the superblock. */
const TABLES = 'ext4 tables';
const JOURNAL = 'ext4 journal';
const JOURNAL_INODE = 8;

export class BlockPlaces {
  readonly #card: Card;
  readonly #folder: string;
  /** By the number of the block. A block that changed its file counts for the last one. */
  readonly #places = new Map<number, string>();

  /** @param folder on the card, with the files themselves */
  constructor(card: Card, folder: string) {
    this.#card = card;
    this.#folder = folder;
    const blocks = execFileSync('debugfs', ['-R', `blocks <${JOURNAL_INODE}>`, `/dev/${card.device}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    for (const block of blocks.trim().split(/\s+/)) this.#places.set(Number(block), JOURNAL);
  }

  /** Takes the places of today's files. A file that grows or moves needs it again; all of them are on the device by then. */
  look(): void {
    this.#card.written();
    for (const name of readdirSync(this.#folder)) {
      const text = execFileSync('filefrag', ['-b4096', '-v', path.join(this.#folder, name)], { encoding: 'utf8' });
      for (const [, from, to] of text.matchAll(/^\s*\d+:\s*\d+\.\.\s*\d+:\s*(\d+)\.\.\s*(\d+):/gm))
        for (let block = Number(from); block <= Number(to); block++) this.#places.set(block, name);
    }
  }

  /** Blocks by place, the most first. */
  count(writes: Iterable<BlockWrite>): [place: string, blocks: number][] {
    const found = new Map<string, number>();
    for (const { from, blocks } of writes)
      for (let i = 0; i < blocks; i++) {
        const place = this.#places.get(from + i) ?? TABLES;
        found.set(place, (found.get(place) ?? 0) + 1);
      }
    return [...found].sort(([, a], [, b]) => b - a);
  }
}
