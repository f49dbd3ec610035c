/** `sluice import`: plays bundles into a target, and writes a receipt for each that is stored. */
import { closeSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { BundleFile } from '../../codecs/bundle/container.ts';
import { type GatewayKey, gatewayKey, grouped, type PlatformSecret } from '../../codecs/bundle/keys.ts';
import { makeReceipt, type Statement } from '../../codecs/bundle/statement.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import { count } from '../words.ts';
import { FileSource, isFolder, openToRead, shown, WholeFile } from './bundle-file.ts';
import { KeysFolder } from './keys-folder.ts';
import { type Added, playSection, type Target } from './target.ts';

export interface ImportOptions {
  readonly to: string;
  readonly keys: string;
  /** Where receipts go; undefined: beside their bundles. */
  readonly receipts?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
}

type Signed = ReturnType<BundleFile['verify']>;

/** Files are taken one after the other. One that is refused keeps no other one back. */
export async function importBundles(files: readonly string[], options: ImportOptions): Promise<void> {
  const keys = new KeysFolder(options.keys);
  const secret = keys.secret();
  const bundles = files.flatMap((file) => (isFolder(file) ? bundlesIn(file) : [file]));
  if (bundles.length === 0) throw new SluiceError('not-found', 'there are no files that end in .sluice');
  const target = await targetOf(options);
  try {
    for (const file of bundles) {
      try {
        const { signed, added } = await importOne(file, keys, secret, target);
        process.stdout.write(`${shown(file)}: ${addedWords(signed.statement, added)} in ${target.name}\n`);
        if (signed.statement.forwarder !== undefined) giveReceipt(signed, file, secret, options.receipts);
      } catch (thrown) {
        // The target itself fails for every bundle.
        if (thrown instanceof SluiceError && thrown.code !== 'bundle-refused' && thrown.code !== 'not-found') throw thrown;
        process.stderr.write(`sluice: ${shown(file)}: ${toError(thrown).message}\n`);
        process.exitCode = 1;
      }
    }
  } finally {
    await target.close();
  }
}

function bundlesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sluice'))
    .sort()
    .map((name) => path.join(folder, name));
}

async function targetOf({ to, keys, username, passwordFile, ca }: ImportOptions): Promise<Target> {
  if (/^(mqtts?|wss?):\/\//.test(to))
    return (await import('./broker-target.ts')).brokerTarget({ url: to, username, passwordFile, ca, keys });
  if (/\.csv$/i.test(to)) return (await import('./csv-target.ts')).csvTarget(to);
  if (/\.(db|sqlite|sqlite3)$/i.test(to)) return (await import('./sqlite-target.ts')).sqliteTarget(to);
  throw new SluiceError('usage', `--to ${to}: write mqtt://host:1883, a file that ends in .db, or a file that ends in .csv`);
}

function addedWords({ gateway, records, notices }: Statement, added: Added): string {
  const words = `${gateway}, ${added.records} of ${count(records, 'record')} new`;
  return notices === 0 ? words : `${words}, ${added.notices} of ${count(notices, 'alarm or event', 'alarms and events')} new`;
}

async function importOne(
  file: string,
  keys: KeysFolder,
  secret: PlatformSecret,
  target: Target,
): Promise<{ signed: Signed; added: Added }> {
  const fd = openToRead(file);
  try {
    const bundle = new BundleFile(new FileSource(fd));
    const { gateway } = bundle.head;
    const known = knownGateway(keys, gateway);
    if (known === undefined) throw unknownGateway(bundle, keys.folder);
    const { statement } = bundle.verify(known);
    const play = await target.begin(statement);
    try {
      for (const section of bundle.sections(secret)) await playSection(play, section, gateway);
      // Still the file that was proven.
      const signed = bundle.verify(known);
      return { signed, added: await play.commit() };
    } catch (thrown) {
      play.abandon();
      throw thrown;
    }
  } finally {
    closeSync(fd);
  }
}

/** @throws SluiceError bundle-refused: its key is damaged, which says nothing about other gateways */
function knownGateway(keys: KeysFolder, gateway: string): GatewayKey | undefined {
  try {
    return keys.gateway(gateway);
  } catch (cause) {
    throw new SluiceError('bundle-refused', toError(cause).message, { cause });
  }
}

function unknownGateway({ head: { gateway, key } }: BundleFile, folder: string): SluiceError {
  const claimed = gatewayKey(key);
  const fingerprint =
    claimed === undefined ? '' : ` The bundle names a key with the fingerprint ${grouped(claimed.fingerprint)}.`;
  return new SluiceError(
    'bundle-refused',
    `the gateway ${gateway} is not known here, so nothing proves who wrote the bundle.${fingerprint} Compare that with "sluice gateway-key" on the gateway. If it is the same, write: sluice platform trust ${gateway} ${claimed?.text ?? 'sluice-gateway-1:…'} --keys ${folder}`,
  );
}

/** What is stored is stored: without a receipt the gateway keeps it, and a later import writes one. */
function giveReceipt(signed: Signed, bundle: string, secret: PlatformSecret, folder: string | undefined): void {
  try {
    process.stdout.write(`${shown(writeReceipt(signed, bundle, secret, folder))}\n`);
  } catch (thrown) {
    process.stderr.write(
      `sluice: ${shown(bundle)}: it is stored, but has no receipt: ${toError(thrown).message}; name another folder with --receipts DIR, and import it again\n`,
    );
    process.exitCode = 1;
  }
}

function writeReceipt(signed: Signed, bundle: string, secret: PlatformSecret, folder = path.dirname(bundle)): string {
  const file = new WholeFile(folder);
  try {
    file.write(Buffer.from(makeReceipt(signed, Date.now(), secret)));
    return file.finish(`${path.basename(bundle).replace(/\.sluice$/, '')}.receipt`);
  } finally {
    file.abandon();
  }
}
