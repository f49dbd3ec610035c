/** `sluice receipt` and `sluice gateway-key`, both on the gateway. */
import type { BundleKeyReply, ReceiptReply } from '../../admin/bundles.ts';
import { request } from '../../admin/client.ts';
import { MAX_RECEIPT } from '../../codecs/bundle/statement.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { type RunningOptions, socketOf } from '../running.ts';
import { readSmall, shown } from './bundle-file.ts';

/** A commit may wait for the disk. */
const WITHIN = 60_000;

type Taken = [file: string, reply: ReceiptReply];

/** In any order: a receipt that another one has to be before is tried again behind it, until a pass moves nothing. */
export async function takeReceipts(files: readonly string[], options: RunningOptions): Promise<void> {
  const socket = socketOf(options);
  const moves = new Moves();
  let early: Taken[] = [];
  for (let left = files; left.length > 0; left = early.map(([file]) => file)) {
    const before = moves.count;
    early = [];
    for (const file of left) {
      const taken = await takeReceipt(file, socket);
      if (taken === undefined) continue;
      const reply = moves.merged(file, taken);
      if (has(reply, 'gap')) early.push([file, reply]);
      else say(file, reply, options);
    }
    if (moves.count === before) break;
  }
  for (const [file, reply] of early) {
    say(file, reply, options);
    process.exitCode = 1;
  }
}

/** What receipts moved in all passes so far. A range that moved once is old in the next pass. At most the ranges of all receipts. */
class Moves {
  readonly #moved = new Set<string>();

  get count(): number {
    return this.#moved.size;
  }

  merged(file: string, reply: ReceiptReply): ReceiptReply {
    const ranges = reply.ranges.map((range) => {
      const key = JSON.stringify([file, range.log, range.lane, range.first, range.last]);
      if (range.outcome === 'moved') this.#moved.add(key);
      return this.#moved.has(key) ? { ...range, outcome: 'moved' as const } : range;
    });
    return { ...reply, ranges };
  }
}

async function takeReceipt(file: string, socket: string): Promise<ReceiptReply | undefined> {
  try {
    const receipt = readSmall(file, MAX_RECEIPT);
    return (await request(socket, 'POST', '/api/v1/receipt', { receipt }, WITHIN)) as ReceiptReply;
  } catch (thrown) {
    if (!(thrown instanceof SluiceError) || !['bundle-refused', 'not-found', 'usage'].includes(thrown.code)) throw thrown;
    process.stderr.write(`sluice: ${shown(file)}: ${toError(thrown).message}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

function say(file: string, reply: ReceiptReply, { json }: RunningOptions): void {
  process.stdout.write(json === true ? `${JSON.stringify(reply)}\n` : `${shown(file)}: ${outcomeWords(reply)}\n`);
}

type Outcome = ReceiptReply['ranges'][number]['outcome'];
function has({ ranges }: ReceiptReply, outcome: Outcome): boolean {
  return ranges.some((range) => range.outcome === outcome);
}

function outcomeWords(reply: ReceiptReply): string {
  const moved = has(reply, 'moved') ? [`the cursor of ${reply.forwarder} moved; what the platform has is not sent again`] : [];
  if (has(reply, 'gap')) return [...moved, 'a bundle before this one is missing, so its readings are still kept'].join('; ');
  if (moved.length > 0) return moved.join();
  if (has(reply, 'old')) return 'nothing changed: the gateway knew already that the platform has all of it';
  return 'nothing changed: the gateway has no such log any more';
}

export async function showGatewayKey(options: RunningOptions): Promise<void> {
  const reply = (await request(socketOf(options), 'GET', '/api/v1/bundle-key')) as BundleKeyReply;
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(reply)}\n`);
    return;
  }
  process.stdout.write(`${reply.key}\n`);
  process.stderr.write(
    `fingerprint ${reply.fingerprint}\nOn the computer of the platform:\n  sluice platform trust ${reply.gateway} ${reply.key}\n`,
  );
}
