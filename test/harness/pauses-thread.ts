/** The thread of pauses.ts: it only sleeps and writes a few bytes, so it is late where everybody is. */
import { openSync, readFileSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { FIELDS, KEPT, LOOK, SHORTEST, WATCHED, WINDOW } from './pauses-cells.ts';

const { cells, file } = workerData as { cells: Float64Array; file: string };
const [asleep, byte, fd] = [new Int32Array(new SharedArrayBuffer(4)), Buffer.alloc(8), openSync(file, 'w')];

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function keep(pause: number): void {
  if (pause < SHORTEST) return;
  const count = cells[FIELDS.count] ?? 0;
  cells[FIELDS.pauses + (count % KEPT)] = pause;
  cells[FIELDS.count] = count + 1;
}

/** Milliseconds that the main thread of a process was ready to run, and no processor was free; undefined where nobody counts them. */
function waited(pid: number): number | undefined {
  if (pid === 0) return undefined;
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]) / 1e6;
  } catch {
    return undefined;
  }
}

class Starved {
  readonly #slot: number;
  #pid = 0;
  #before: number | undefined;
  /** The window that is open: its looks, how long it is, and how much of it the process waited. */
  #looks = 0;
  #length = 0;
  #wait = 0;
  #starved = 0;

  constructor(slot: number) {
    this.#slot = slot;
  }

  look(late: number): void {
    const pid = cells[FIELDS.pids + this.#slot] ?? 0;
    const total = waited(pid);
    // A wait is counted as a whole when it ends.
    const grown = pid === this.#pid && total !== undefined && this.#before !== undefined ? total - this.#before : 0;
    [this.#pid, this.#before] = [pid, total];
    this.#length += Math.max(late, grown);
    this.#wait += grown;
    if (++this.#looks < WINDOW) return;
    // It got less than half of the time: it is starved until it gets more.
    if (this.#wait >= this.#length / 2) this.#starved += this.#length;
    else {
      keep(this.#starved);
      this.#starved = 0;
    }
    cells[FIELDS.starved + this.#slot] = this.#starved;
    [this.#looks, this.#length, this.#wait] = [0, 0, 0];
  }
}

const watched = Array.from({ length: WATCHED }, (_, slot) => new Starved(slot));
let last = now();
for (;;) {
  cells[FIELDS.look] = last;
  Atomics.wait(asleep, 0, 0, LOOK);
  writeSync(fd, byte, 0, byte.length, 0);
  const at = now();
  const late = at - last;
  last = at;
  keep(late);
  for (const one of watched) one.look(late);
}
