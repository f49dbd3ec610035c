/** `sluice configure`: keys and signatures on the computer of the platform, and the configuration that came on the board. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CONFIG_FOLDER } from '../care/last-good.ts';
import { PushStore } from '../configure/record.ts';
import { isAside } from '../configure/settle.ts';
import { ID, MOST_CONFIGURE } from '../control/remote/message.ts';
import { configureSecret, makeConfigureSecret, signConfiguration } from '../core/configure-keys.ts';
import { SluiceError } from '../core/errors.ts';
import { parseDuration } from '../core/units.ts';
import { writeFresh } from './bundle/bundle-file.ts';
import { readConfig, refusedWords } from './config-file.ts';
import { fileWords } from './file-words.ts';
import { stateDirOf } from './running.ts';

export interface SignOptions {
  readonly key: string;
  readonly configVersion: number;
  readonly expires?: string;
  readonly id?: string;
  readonly output?: string;
}

export async function configureKeyFile(file: string, options: { readonly json?: boolean }): Promise<void> {
  const made = !existsSync(file);
  if (made) writeFresh(file, makeConfigureSecret().pem, 0o600);
  const { key } = secretIn(file);
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ key: key.text, fingerprint: key.fingerprint, made })}\n`);
    return;
  }
  if (made) process.stderr.write(`Made ${file}. A person who has this file can change the configuration of your gateways.\n`);
  process.stdout.write(`${key.text}\n`);
}

export async function configureSign(files: readonly string[], options: SignOptions): Promise<void> {
  const { configVersion: version, output, id = `configure-${version}` } = options;
  if (!ID.test(id)) throw new SluiceError('usage', '--id has 1 to 64 of these: A-Z a-z 0-9 _ . -');
  const length = options.expires === undefined ? undefined : parseDuration(options.expires);
  if (options.expires !== undefined && (length === undefined || length <= 0))
    throw new SluiceError('usage', '--expires is a duration, for example 24h');
  if (files.length > 1 && output === undefined)
    throw new SluiceError('usage', 'several configurations make several messages; name a folder with -o');
  const { sign } = secretIn(options.key);
  const expires = length === undefined ? undefined : Date.now() + Math.round(length);
  const messages = files.map((file) => messageOf(file, { version, id, expires }, sign));
  const twice = messages.find(({ gateway }, i) => messages.findIndex((other) => other.gateway === gateway) !== i);
  if (twice !== undefined)
    throw new SluiceError('usage', `two of the files are for the gateway ${twice.gateway}; sign each in its own run`);
  if (output === undefined) {
    for (const { json } of messages) process.stdout.write(`${json}\n`);
    return;
  }
  mkdirSync(output, { recursive: true });
  // Without a line end: mosquitto_pub -f sends the file as it is.
  for (const { gateway, json } of messages) writeFileSync(path.join(output, `${gateway}.json`), json);
  process.stdout.write(
    `Signed ${messages.length} ${messages.length === 1 ? 'configuration' : 'configurations'} as version ${version} into ${output}.\n`,
  );
}

interface About {
  readonly version: number;
  readonly id: string;
  readonly expires: number | undefined;
}

type Sign = ReturnType<typeof secretIn>['sign'];

/** @throws SluiceError config-invalid */
function messageOf(
  file: string,
  { version, id, expires }: About,
  secret: Sign,
): { readonly gateway: string; readonly json: string } {
  // Secrets and certificates lie on the gateway.
  const { config, read, faults } = readConfig(file, { readSecrets: false });
  if (config === undefined || read === undefined) throw new SluiceError('config-invalid', refusedWords(faults));
  const gateway = config.gateway.id;
  const signature = signConfiguration({ gateway, version, expires, yaml: read.text }, secret);
  const json = JSON.stringify({
    id,
    do: 'configure',
    version,
    ...(expires !== undefined && { expires }),
    yaml: read.text,
    signature,
  });
  const bytes = Buffer.byteLength(json);
  if (bytes > MOST_CONFIGURE)
    throw new SluiceError(
      'config-invalid',
      `${file} makes a message of ${bytes} bytes, and a gateway takes ${MOST_CONFIGURE}; move points of devices into profiles on the board`,
    );
  return { gateway, json };
}

/** @throws SluiceError not-found, usage */
function secretIn(file: string): NonNullable<ReturnType<typeof configureSecret>> {
  let pem: string;
  try {
    pem = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SluiceError('not-found', `${file} cannot be read: ${fileWords(cause)}; "sluice configure key FILE" makes a key`, {
      cause,
    });
  }
  const secret = configureSecret(pem);
  if (secret === undefined)
    throw new SluiceError(
      'usage',
      `${file} holds no private Ed25519 key in PEM; "sluice configure key FILE" makes one, and so does openssl genpkey -algorithm ed25519`,
    );
  return secret;
}

export async function configureShow({ config }: { readonly config: string }): Promise<void> {
  const store = new PushStore(path.join(stateDirOf(config), CONFIG_FOLDER), 'anybody');
  const record = store.read();
  const kept = record === 'damaged' ? undefined : (record.trial ?? record.current);
  const text = kept && store.text(kept);
  if (kept === undefined || text === undefined)
    throw new SluiceError(
      'not-found',
      `no configuration from upstream is in force, or this user may not read it; the gateway runs with ${config}`,
    );
  const aside = record !== 'damaged' && isAside(record) ? ', which this version of Sluice cannot use' : '';
  const state = record !== 'damaged' && record.trial !== undefined ? ', on trial' : aside;
  process.stdout.write(
    `# Version ${kept.version} from the forwarder ${kept.forwarder}${state}, signed by the key ${kept.key}.\n${text}`,
  );
}
