/**
 * A mark that an update is being written, or tried after a boot, for the LED of the board. The command that does it belongs to root, and
 * the gateway may not look into its folder. A mark that nobody renews is over after a while: the command may have been killed.
 */
import { mkdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { replaceFile } from '../disk/durable.ts';

/** Milliseconds. */
const RENEWED_EVERY = 10_000;
const OVER_AFTER = 60_000;

const markOf = (root: string): string => path.join(root, '/run/sluice-update');

/** @param root `''` is this machine. @returns what ends it. Never throws: without a mark the LED shows less, and the update goes its way */
export function markAtWork(root = ''): () => void {
  const mark = markOf(root);
  try {
    mkdirSync(path.dirname(mark), { recursive: true });
    replaceFile(mark, '', 0o644);
  } catch {
    return () => {};
  }
  const renewal = setInterval(() => {
    try {
      const now = new Date();
      utimesSync(mark, now, now);
    } catch {
      // Somebody removed it: that ends it as well.
    }
  }, RENEWED_EVERY);
  renewal.unref();
  return () => {
    clearInterval(renewal);
    rmSync(mark, { force: true });
  };
}

/** @param now UTC ms of the system's clock, which may have stepped since the mark was made */
export function isAtWork(root = '', now = Date.now()): boolean {
  try {
    return Math.abs(now - statSync(markOf(root)).mtimeMs) < OVER_AFTER;
  } catch {
    return false;
  }
}
