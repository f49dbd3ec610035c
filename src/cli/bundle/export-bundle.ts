/** `sluice export --bundle`: a bundle into a folder, or to a stick of the platform. The file appears whole, or not at all. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { BundleQuery } from '../../admin/bundles.ts';
import { bytes } from '../../admin/client.ts';
import { BundleFile } from '../../codecs/bundle/container.ts';
import { gatewayKey } from '../../codecs/bundle/keys.ts';
import type { Statement } from '../../codecs/bundle/statement.ts';
import { MAX_TOKEN, STICK_FILE } from '../../codecs/bundle/stick.ts';
import { SluiceError } from '../../core/errors.ts';
import { formatSize } from '../../core/units.ts';
import { nobodyRuns, socketOf } from '../running.ts';
import { count } from '../words.ts';
import { FileSource, isFolder, readSmall, WholeFile } from './bundle-file.ts';
import { driveOf } from './drive.ts';
import { stoppedBundle } from './stopped.ts';

export interface BundleOptions {
  readonly config: string;
  readonly socket?: string;
  readonly bundle: string;
  readonly forwarder?: string;
  /** The folder is on a stick, whatever the system says. */
  readonly stick?: boolean;
  readonly from?: string;
  readonly to?: string;
}

/** @param range UTC ms; undefined: what is not delivered */
export async function exportBundle(options: BundleOptions, range: { from?: number; to?: number }): Promise<void> {
  const folder = options.bundle;
  if (!isFolder(folder)) throw new SluiceError('usage', `there is no folder ${folder}: make it first, or mount the stick`);
  const query: BundleQuery = { forwarder: options.forwarder, ...range, stick: stickOf(folder, options.stick === true) };
  const pieces = await source(options, query);
  let out: WholeFile | undefined;
  try {
    // Before the folder is touched: a foreign stick gets nothing.
    const first = await pieces.next();
    out = new WholeFile(folder);
    let size = 0;
    for (let piece = first; piece.done !== true; piece = await pieces.next()) {
      out.write(piece.value);
      size += piece.value.length;
    }
    const file = new BundleFile(new FileSource(out.fd));
    const key = gatewayKey(file.head.key);
    if (key === undefined) throw new SluiceError('internal', 'the gateway sent a bundle without its key');
    // What was cut off on its way never gets the name of a bundle.
    const { statement } = file.verify(key);
    if (statement.records + statement.notices === 0) {
      process.stderr.write(`${nothingWords(statement)}\n`);
      return;
    }
    const name = out.finish(nameOf(statement));
    process.stdout.write(`${name}\n`);
    process.stderr.write(
      `${contentWords(statement)}, ${formatSize(size)}. On the computer of the platform: sluice import FILE\n`,
    );
  } finally {
    out?.abandon();
    // After a fault the gateway would wait for somebody who takes the rest.
    await pieces.return(undefined);
  }
}

export function contentWords({ records, readings, notices }: Statement): string {
  return `${count(records, 'record')} with ${count(readings, 'reading')}, ${count(notices, 'alarm or event', 'alarms and events')}`;
}

function nothingWords({ forwarder }: Statement): string {
  return forwarder === undefined
    ? 'The log has nothing of that time; no bundle was written.'
    : `Everything of ${forwarder} is delivered; no bundle was written.`;
}

/** In the order of time, and one for each bundle. */
function nameOf({ gateway, forwarder, made, bundle }: Statement): string {
  const time = new Date(Math.min(made, 8.64e15)).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${gateway}-${forwarder ?? 'range'}-${time}-${bundle.slice(0, 8)}.sluice`;
}

function stickOf(folder: string, isStick: boolean): BundleQuery['stick'] {
  const { top, id, removable } = driveOf(folder);
  if (!isStick && !removable) return undefined;
  const file = path.join(top, STICK_FILE);
  if (!existsSync(file))
    throw new SluiceError(
      'bundle-refused',
      `${top} is a stick without ${STICK_FILE}, so it belongs to no platform; nothing was written. The platform makes a stick with: sluice platform stick FOLDER`,
    );
  return { token: readSmall(file, MAX_TOKEN), id };
}

async function source(options: BundleOptions, query: BundleQuery): Promise<AsyncGenerator<Uint8Array>> {
  const socket = socketOf(options);
  if (options.socket === undefined && !existsSync(socket)) return stoppedBundle(options.config, query);
  // `24h` counts back from the time of the gateway.
  const pieces = bytes(socket, '/api/v1/bundle', { ...query, from: options.from, to: options.to });
  return orElse(pieces, () => stoppedBundle(options.config, query), options.socket === undefined);
}

/** The socket of a gateway that was killed: its files are read. */
async function* orElse(
  pieces: AsyncGenerator<Uint8Array>,
  other: () => AsyncGenerator<Uint8Array>,
  may: boolean,
): AsyncGenerator<Uint8Array> {
  let begun = false;
  try {
    for await (const piece of pieces) {
      begun = true;
      yield piece;
    }
  } catch (thrown) {
    if (begun || !may || !nobodyRuns(thrown)) throw thrown;
    yield* other();
  }
}
