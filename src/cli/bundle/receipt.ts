/** `sluice receipt` and `sluice gateway-key`, both on the gateway. */
import type { BundleKeyReply, ReceiptReply } from '../../admin/bundles.ts';
import { request } from '../../admin/client.ts';
import { MAX_RECEIPT } from '../../codecs/bundle/statement.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { type RunningOptions, socketOf } from '../running.ts';
import { readSmall } from './bundle-file.ts';

/** A commit may wait for the disk. */
const WITHIN = 60_000;

export async function takeReceipts(files: readonly string[], options: RunningOptions): Promise<void> {
  const socket = socketOf(options);
  for (const file of files) {
    try {
      const receipt = readSmall(file, MAX_RECEIPT);
      const reply = (await request(socket, 'POST', '/api/v1/receipt', { receipt }, WITHIN)) as ReceiptReply;
      process.stdout.write(options.json === true ? `${JSON.stringify(reply)}\n` : `${file}: ${outcomeWords(reply)}\n`);
      if (reply.ranges.some(({ outcome }) => outcome === 'gap')) process.exitCode = 1;
    } catch (thrown) {
      if (!(thrown instanceof SluiceError) || !['bundle-refused', 'not-found', 'usage'].includes(thrown.code)) throw thrown;
      process.stderr.write(`sluice: ${file}: ${toError(thrown).message}\n`);
      process.exitCode = 1;
    }
  }
}

function outcomeWords({ forwarder, ranges }: ReceiptReply): string {
  const has = (outcome: ReceiptReply['ranges'][number]['outcome']) => ranges.some((range) => range.outcome === outcome);
  const moved = has('moved') ? [`the cursor of ${forwarder} moved; what the platform has is not sent again`] : [];
  if (has('gap')) return [...moved, 'a bundle before this one is missing, so its readings are still kept'].join('; ');
  if (moved.length > 0) return moved.join();
  if (has('old')) return 'nothing changed: the gateway knew already that the platform has all of it';
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
