/**
 * A port whose transceiver the gateway switches by a GPIO line: starts the thread that does it (rs485-thread.ts), passes on what is to be
 * sent, and hears when it fails. Invariants:
 *
 * - At most MOST_UNSENT bytes wait; what comes on top is dropped.
 * - `leave` and a failure resolve after the thread has ended: nothing of it holds the port or the line then.
 */
import { closeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { GpioLine } from '../../config/gpio-line.ts';
import type { SluiceError } from '../../core/errors.ts';
import type { Refusal } from './calls.ts';
import type { FromThread, ThreadData, ToThread } from './messages.ts';
import { refusedWords } from './words.ts';

/** A line that takes none of so many bytes is dead. */
export const MOST_UNSENT = 1024;
/** A thread that sends needs next to nothing. */
const LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32, stackSizeMb: 1 };
const ENDING = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

export interface SwitchedLineOptions {
  /** Name of the port, for words. */
  readonly path: string;
  /** Descriptor of the open port. */
  readonly port: number;
  readonly gpio: GpioLine;
  /** Milliseconds of a character on the wire. */
  readonly character: number;
  /** Called once at most, and not for a `leave`: the line is inactive, and nothing is sent any more. */
  readonly failed: (error: SluiceError) => void;
  /** Another thread, for tests. */
  readonly start?: (data: ThreadData) => Worker;
}

export interface SwitchedLine {
  /** Bytes that wait or are on the wire. */
  readonly unsent: number;
  send(bytes: Uint8Array): void;
  leave(): Promise<void>;
}

/** @throws SluiceError bus-open, in words */
export async function switchByGpio(options: SwitchedLineOptions): Promise<SwitchedLine> {
  const { path, port, gpio, character, failed, start = startThread } = options;
  const leaving = new Int32Array(new SharedArrayBuffer(4));
  const worker = start({ port, gpio, character, leaving });
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  let held: readonly number[] = [];
  let unsent = 0;
  let isReady = false;
  let leaves = false;
  let refusal: Refusal = { call: 'thread' };
  const ready = new Promise<void>((resolve) => {
    worker.on('message', (message: FromThread) => {
      if (message.kind === 'sent') {
        unsent -= message.bytes;
        return;
      }
      held = message.kind === 'ready' ? message.held : [];
      if (message.kind === 'refused') refusal = message.refusal;
      if (message.kind === 'ready') resolve();
      isReady ||= message.kind === 'ready';
    });
  });
  worker.on('error', (error) => {
    refusal = { call: 'thread', errno: error.message.split('\n')[0] };
  });
  const over = ended.then(() => {
    // The kernel takes the line of such a thread back when nobody has its descriptor open.
    for (const one of held)
      try {
        closeSync(one);
      } catch {
        // The thread had closed it and did not come to say so.
      }
    held = [];
  });
  await Promise.race([ready, over]);
  if (!isReady) throw await refusedWords('bus-open', refusal, { path, gpio });
  void over.then(async () => {
    if (!leaves) failed(await refusedWords('bus-closed', refusal, { path, gpio }));
  });
  return {
    get unsent() {
      return unsent;
    },
    send(bytes) {
      if (leaves || unsent + bytes.length > MOST_UNSENT) return;
      unsent += bytes.length;
      worker.postMessage({ kind: 'send', bytes } satisfies ToThread);
    },
    leave() {
      leaves = true;
      Atomics.store(leaving, 0, 1);
      Atomics.notify(leaving, 0);
      worker.postMessage({ kind: 'leave' } satisfies ToThread);
      return over;
    },
  };
}

function startThread(workerData: ThreadData): Worker {
  const thread = new URL(`./rs485-thread.${ENDING}`, import.meta.url);
  // The descriptors of a port and of a line are passed between threads.
  return new Worker(thread, { workerData, resourceLimits: LIMITS, name: 'rs485', trackUnmanagedFds: false });
}
