/**
 * The order of the writes to one device: one change at a time, safe values before the others.
 *
 * - A write changes the device, then checks what came of it. Safe values change one after the other and are checked beside
 *   each other; of the others the next begins when everything before it is checked.
 * - An ordinary write that has sent nothing gives way to a safe value and begins again afterwards. Where both are for one
 *   point it is refused: the safe value is the newer word, and must stay.
 * - Bound: the caller counts ordinary writes; safe values are as many as there are points.
 */
import { SluiceError } from '../core/errors.ts';
import type { Written } from '../core/ports.ts';

/** A change was made; this finds out what came of it. */
export type Check = () => Promise<Written>;

export interface QueuedWrite {
  readonly point: string;
  readonly safe: boolean;
  /** @param signal once aborted nothing more is sent: what was not sent is refused with `gaveWay` */
  change(signal: AbortSignal): Promise<Check>;
}

interface Entry extends QueuedWrite {
  readonly resolve: (written: Written) => void;
  readonly reject: (thrown: unknown) => void;
}

/** Nothing was sent, since a safe value goes first. */
export function gaveWay(): SluiceError {
  return new SluiceError('write-refused', 'a safe value goes first', { data: { sent: false, gaveWay: true } });
}

export class WriteQueue {
  readonly #safe: Entry[] = [];
  #ordinary: Entry[] = [];
  #changing: Entry | undefined;
  #abort = new AbortController();
  #checking = 0;

  add(write: QueuedWrite): Promise<Written> {
    const { promise, resolve, reject } = Promise.withResolvers<Written>();
    const entry: Entry = { ...write, resolve, reject };
    if (write.safe) {
      this.#safe.push(entry);
      this.#supersede(write.point);
      if (this.#changing?.safe === false) this.#abort.abort();
    } else this.#ordinary.push(entry);
    this.#next();
    return promise;
  }

  #supersede(point: string): void {
    const [gone, rest] = [this.#ordinary.filter((e) => e.point === point), this.#ordinary.filter((e) => e.point !== point)];
    this.#ordinary = rest;
    for (const entry of gone) entry.reject(superseded(point));
  }

  #next(): void {
    if (this.#changing !== undefined) return;
    const entry = this.#safe.shift() ?? (this.#checking === 0 ? this.#ordinary.shift() : undefined);
    if (entry !== undefined) void this.#run(entry);
  }

  async #run(entry: Entry): Promise<void> {
    this.#changing = entry;
    this.#abort = new AbortController();
    let check: Check;
    try {
      check = await entry.change(this.#abort.signal);
    } catch (thrown) {
      this.#changing = undefined;
      if (!(thrown instanceof SluiceError && thrown.data.gaveWay === true)) entry.reject(thrown);
      else if (this.#safe.some((s) => s.point === entry.point)) entry.reject(superseded(entry.point));
      else this.#ordinary.unshift(entry);
      this.#next();
      return;
    }
    this.#changing = undefined;
    this.#checking++;
    this.#next();
    try {
      entry.resolve(await check());
    } catch (thrown) {
      entry.reject(thrown);
    }
    this.#checking--;
    this.#next();
  }
}

function superseded(point: string): SluiceError {
  return new SluiceError('write-refused', `${point} is being set to its safe value; write it again afterwards`, {
    data: { sent: false },
  });
}
