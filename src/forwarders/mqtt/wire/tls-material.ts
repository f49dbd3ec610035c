/** The files of TLS to a broker. They are read at each connection: certificates are renewed while the gateway runs. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { toError } from '../../../core/errors.ts';
import { ConnectError } from '../retry-plan.ts';

/** What a person writes under `tls`, with absolute paths. */
export interface TlsSettings {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** SHA-256 of the broker's certificate: 64 small hexadecimal digits. */
  readonly fingerprint?: string | undefined;
  readonly serverName?: string | undefined;
  readonly alpn?: readonly string[] | undefined;
}

/** The same, read. PEM. */
export interface TlsMaterial {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly serverName?: string | undefined;
  readonly alpn?: readonly string[] | undefined;
  /** Where `cert` is, and from when until when it holds, ms UTC. */
  readonly own?: { readonly file: string; readonly from: number; readonly until: number } | undefined;
}

/** The authorities of a whole system take 230 kB. */
const MOST_CA = 1024 * 1024;
const MOST_PEM = 64 * 1024;
const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/** @throws ConnectError `files`: one of them is missing, or is not what it should be */
export async function readTls(settings: TlsSettings | undefined): Promise<TlsMaterial> {
  if (settings === undefined) return {};
  const { ca, cert, key, ...rest } = settings;
  const material = {
    ...rest,
    ...(ca !== undefined && { ca: certificates(ca, await text(ca, MOST_CA)).pem }),
  };
  if (cert === undefined || key === undefined) return material;
  const own = certificates(cert, await text(cert, MOST_PEM));
  const pem = await text(key, MOST_PEM);
  try {
    if (!own.first.checkPrivateKey(createPrivateKey(pem)))
      throw fault(`the key in ${key} does not belong to the certificate in ${cert}; name the two that were made together`);
  } catch (thrown) {
    if (thrown instanceof ConnectError) throw thrown;
    throw fault(
      /passphrase|password|interrupted|bad decrypt/i.test(toError(thrown).message)
        ? `the key in ${key} has a passphrase; write it without one (openssl pkey -in … -out …), in a file that only the gateway may read`
        : `${key} holds no private key; a PEM file is needed that begins with -----BEGIN PRIVATE KEY-----`,
      toError(thrown),
    );
  }
  const { validFromDate, validToDate } = own.first;
  return {
    ...material,
    cert: own.pem,
    key: pem,
    own: { file: cert, from: validFromDate.getTime(), until: validToDate.getTime() },
  };
}

function certificates(file: string, text: string): { pem: string; first: X509Certificate } {
  const blocks = text.match(CERTIFICATE) ?? [];
  const [block] = blocks;
  const words = `${file} holds no certificate; a PEM file is needed that begins with -----BEGIN CERTIFICATE-----`;
  if (block === undefined) throw fault(words);
  try {
    // A bundle with one that is damaged would otherwise fail in the middle of a handshake.
    const [first] = blocks.map((pem) => new X509Certificate(pem));
    return { pem: text, first: first as X509Certificate };
  } catch (thrown) {
    throw fault(words.replace('no certificate', 'a certificate that is damaged'), toError(thrown));
  }
}

async function text(file: string, most: number): Promise<string> {
  try {
    const found = await stat(file);
    if (!found.isFile()) throw fault(`${file} is not a file; name a PEM file`);
    if (found.size > most) throw fault(`${file} has ${found.size} bytes, more than ${most}; is this the right file?`);
    return await readFile(file, 'latin1');
  } catch (thrown) {
    if (thrown instanceof ConnectError) throw thrown;
    const error = toError(thrown);
    const code = 'code' in error ? String(error.code) : error.message;
    if (code === 'ENOENT')
      throw fault(`there is no file ${file}; put the PEM file there, or correct the path under \`tls\``, error);
    if (code === 'EACCES') throw fault(`the user of the gateway may not read ${file}; correct its owner and mode (ls -l)`, error);
    throw fault(`${file} cannot be read (${code})`, error);
  }
}

function fault(words: string, cause?: Error): ConnectError {
  return new ConnectError('files', `the gateway cannot connect to the broker: ${words}`, cause);
}
