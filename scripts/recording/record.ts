/**
 * Records the demonstration for the README: it runs in a real pseudo-terminal, pictures are taken at chosen moments of its
 * plot, and docs/pictures/demonstration.svg shows them in turn. `npm run docs:recording` renews it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PseudoTerminal } from './pseudo-terminal.ts';
import { animation, type Frame } from './svg.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const OUT = path.join(ROOT, 'docs', 'pictures', 'demonstration.svg');
const SIZE = { columns: 80, rows: 24 };
const MAX_BYTES = 150_000;
/** Seconds from the first values: all is well, the fridge gets warm, the network goes and comes back. */
const MOMENTS = [4, 9, 13, 16, 19, 23, 27, 31, 35, 38.5, 41, 43, 46, 50];
/** The picture of an outage is the one that stays where nothing moves. */
const STILL = MOMENTS.indexOf(35);
const SHOWN = { usual: 1600, last: 4000 };
const READY_WITHIN = 60;

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-recording-'));
const { NO_COLOR: _, ...env } = process.env;
const terminal = new PseudoTerminal(
  [process.execPath, path.join(ROOT, 'dist', 'cli', 'demo.js'), '--folder', folder],
  SIZE,
  { ...env, TERM: 'xterm-256color', LANG: 'C.UTF-8' },
  ROOT,
);
try {
  for (let tries = 0; !/NETWORK connected[\s\S]*°C/.test(terminal.text()); tries++) {
    if (tries === READY_WITHIN * 10) throw new Error(`the demonstration does not start:\n${terminal.text()}`);
    await sleep(100);
  }
  const began = performance.now();
  const frames: Frame[] = [];
  for (const [i, moment] of MOMENTS.entries()) {
    await sleep(Math.max(0, began + moment * 1000 - performance.now()));
    frames.push({ rows: await terminal.rows(), shown: i === MOMENTS.length - 1 ? SHOWN.last : SHOWN.usual });
    process.stderr.write(`picture ${i + 1} of ${MOMENTS.length}\r`);
  }
  const end = terminal.text();
  if (!/readings that waited are delivered\. None is lost\./.test(end)) throw new Error(`the story is not complete:\n${end}`);
  terminal.type('q');
  await terminal.ended;
  const svg = animation(frames, SIZE, 'npm start', STILL);
  if (svg.length > MAX_BYTES) throw new Error(`the recording has ${svg.length} bytes, more than ${MAX_BYTES}`);
  writeFileSync(OUT, svg);
  process.stderr.write(`${path.relative(ROOT, OUT)}: ${svg.length} bytes, ${frames.length} pictures\n`);
} finally {
  await terminal.end();
  rmSync(folder, { recursive: true, force: true });
}
