/** `sluice receipt` and `sluice gateway-key`, both on the gateway. */
import type { BundleKeyReply, ReceiptReply } from '../../admin/bundles.ts';
import { request } from '../../admin/client.ts';
import { MAX_RECEIPT } from '../../codecs/bundle/statement.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { type RunningOptions, socketOf } from '../running.ts';
import { readSmall } from './bundle-file.ts';

/** A commit may wait for the disk. */
const WITHIN = 60_000;

/** In any order: a receipt that another one has to be before is tried again behind it. */
export async function takeReceipts(files: readonly string[], options: RunningOptions): Promise<void> {
  const socket = socketOf(options);
  let replies: [file: string, reply: ReceiptReply][] = [];
  for (let left = files; left.length > 0; ) {
    const early: [file: string, reply: ReceiptReply][] = [];
    for (const file of left) {
      const reply = await takeReceipt(file, socket);
      if (reply === undefined) continue;
      if (has(reply, 'gap')) early.push([file, reply]);
      else say(file, reply, options);
    }
    replies = early;
    // None of them came any further.
    if (early.length === left.length) break;
    left = early.map(([file]) => file);
  }
  for (const [file, reply] of replies) {
    say(file, reply, options);
    process.exitCode = 1;
  }
}

async function takeReceipt(file: string, socket: string): Promise<ReceiptReply | undefined> {
  try {
    const receipt = readSmall(file, MAX_RECEIPT);
    return (await request(socket, 'POST', '/api/v1/receipt', { receipt }, WITHIN)) as ReceiptReply;
  } catch (thrown) {
    if (!(thrown instanceof SluiceError) || !['bundle-refused', 'not-found', 'usage'].includes(thrown.code)) throw thrown;
    process.stderr.write(`sluice: ${file}: ${toError(thrown).message}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

function say(file: string, reply: ReceiptReply, { json }: RunningOptions): void {
  process.stdout.write(json === true ? `${JSON.stringify(reply)}\n` : `${file}: ${outcomeWords(reply)}\n`);
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
