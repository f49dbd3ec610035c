/**
 * The gateway's own certificate and the authority that signed it. Invariants:
 * - Both keys lie in one file, `<stateDir>/tls/own.pem`, readable by the gateway's user alone, and replaced as a whole: a cut
 *   write leaves the old file. `ca.crt` beside it is a copy of the authority's certificate for clients.
 * - The authority is made once. Only a file that cannot be read or does not fit together costs it, and that is reported.
 * - A listener goes on with the certificate that it has while a new one is made, and after a failure.
 * - No private key is in a message, an event or an argument of a process.
 */
import { createPrivateKey } from 'node:crypto';
import { chmodSync, lstatSync, readFileSync, renameSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import path from 'node:path';
import type { Clock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { BUILT } from '../../core/version.ts';
import { writeOwn } from '../state-file.ts';
import { type HostNames, hostNames, type Machine } from './host-names.ts';
import { blocksOf, certificateOf, identityOf, MOST_PEM, type TlsIdentity } from './identity.ts';
import { issue, type KeyPair } from './issuing.ts';
import { outsideLocal, permitted } from './name-constraints.ts';
import { CA_UNTIL, type Now, renewalReason, validityAt } from './renewal.ts';

export const TLS_FOLDER = 'tls';
const OWN = 'own.pem';
export const AUTHORITY_FILE = 'ca.crt';
/** Names, addresses and the end of the certificate are looked at so often, ms. */
const LOOK_EVERY = 600_000;
/** After a failure it is tried again so often, ms. */
const RETRY_EVERY = 60_000;

export interface OwnIdentity extends TlsIdentity {
  /** The authority that clients pin: its certificate in PEM, and its fingerprint. */
  readonly authority: { readonly certificate: string; readonly fingerprint: string };
}

export interface CertificatesOptions {
  readonly stateDir: string;
  /** Id of the gateway. */
  readonly subject: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly now: () => Now;
  /** Names beside those of the machine. */
  readonly extra?: () => readonly string[];
  readonly machine?: () => Machine;
  readonly issue?: typeof issue;
  /** Another certificate is in force. @param why in words */
  readonly onChange: (identity: OwnIdentity, why: string) => void;
}

interface Held {
  readonly identity: OwnIdentity;
  readonly authority: KeyPair;
  /** Names beside the local ones for which the authority may vouch. */
  readonly permits: HostNames;
}

export class Certificates {
  /** Why no certificate could be made, in words. */
  fault: string | undefined;
  readonly #o: CertificatesOptions;
  readonly #folder: string;
  #held: Held | undefined;
  #cancel: (() => void) | undefined;
  #working: Promise<void> | undefined;
  readonly #end = new AbortController();
  #running = false;
  #missing = '';
  /** Why the file on disk could not be used, as reported. */
  #lostBy: string | undefined;

  constructor(options: CertificatesOptions) {
    this.#o = options;
    this.#folder = path.join(options.stateDir, TLS_FOLDER);
  }

  get current(): OwnIdentity | undefined {
    return this.#held?.identity;
  }

  /** Reads what is there; makes what is missing. Resolves when there is a certificate or the first try failed. Never rejects. */
  async start(): Promise<void> {
    this.#running = true;
    await this.#load();
    await this.look();
  }

  /** Looks whether another certificate is needed: the clock became known, an address changed. Never rejects. */
  async look(): Promise<void> {
    if (!this.#running) return;
    this.#working ??= this.#renew().finally(() => {
      this.#working = undefined;
    });
    await this.#working;
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#end.abort();
    this.#cancel?.();
    await this.#working;
  }

  async #load(): Promise<void> {
    this.#held = this.#read();
    if (this.#held === undefined) return;
    this.fault = undefined;
    const { identity } = this.#held;
    await this.#copyAuthority(this.#held);
    this.#o.onChange(identity, 'it was read');
  }

  async #renew(): Promise<void> {
    this.#cancel?.();
    const { clock, logger, now, onChange, subject } = this.#o;
    // Somebody may have made the folder right since, with the file of before in it: a new authority would take its place.
    if (this.#held === undefined && this.fault !== undefined) await this.#load();
    const held = this.#held;
    const all = hostNames(this.#o.machine?.() ?? { hostname: hostname(), interfaces: networkInterfaces() }, this.#o.extra?.());
    const permits = held?.permits ?? outsideLocal(all);
    const names = permitted(all, permits);
    this.#leftOut([...all.dns, ...all.addresses].filter((name) => !names.dns.includes(name) && !names.addresses.includes(name)));
    const why = held === undefined ? 'there was none' : renewalReason(held.identity, names, now());
    let next = LOOK_EVERY;
    if (why !== undefined) {
      try {
        const answer = await (this.#o.issue ?? issue)(
          {
            ...{ subject, names, permits, ...validityAt(now()), caFrom: BUILT, caUntil: CA_UNTIL },
            ...{ authority: held?.authority, serverKey: held?.identity.key },
          },
          this.#end.signal,
        );
        const made = heldOf(answer.authority, answer.server, permits);
        await this.#write(made);
        this.#held = made;
        this.fault = undefined;
        logger.info({ fingerprint: made.identity.fingerprint, why }, 'A certificate was made for the listeners of this gateway.');
        onChange(made.identity, why);
      } catch (thrown) {
        if (!this.#running) return;
        next = RETRY_EVERY;
        const fault = faultWords(thrown, this.#folder);
        if (fault !== this.fault)
          logger.error({ error: fault }, `No certificate could be made (${why}); it is tried again every minute.`);
        this.fault = fault;
      }
    }
    if (this.#running) this.#cancel = clock.after(next, () => void this.look());
  }

  /** undefined: there is none, or none that can be used; a damaged one is set aside. */
  #read(): Held | undefined {
    const file = path.join(this.#folder, OWN);
    let text: string;
    try {
      const stats = statSync(file);
      const { size, mode } = stats;
      // A pipe would keep the gateway waiting for a writer.
      if (!stats.isFile()) throw new Error('it is not a file');
      if (size > MOST_PEM) throw new Error(`it has ${size} bytes`);
      if ((mode & 0o077) !== 0) chmodSync(file, 0o600);
      text = readFileSync(file, 'latin1');
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      this.#lost(file, toError(thrown).message);
      return undefined;
    }
    try {
      const [ca = '', server = ''] = blocksOf(text, /^CERTIFICATE$/);
      const [caKey = '', key = ''] = blocksOf(text, /PRIVATE KEY$/);
      return heldOf({ certificate: ca, key: caKey }, { certificate: server, key }, permitsOf(text));
    } catch (thrown) {
      this.#lost(file, toError(thrown).message);
      return undefined;
    }
  }

  #lost(file: string, why: string): void {
    let aside = `${file}.damaged`;
    try {
      renameSync(file, aside);
    } catch {
      aside = file;
    }
    if (why === this.#lostBy) return;
    this.#lostBy = why;
    this.#o.logger.error(
      { error: why, file: aside },
      'The certificate authority of this gateway cannot be used. A new one is made: clients that trust the old one have to be given the new one.',
    );
  }

  /** Reported once for each list of names. */
  #leftOut(names: readonly string[]): void {
    const text = names.join(', ');
    if (text !== '' && text !== this.#missing)
      this.#o.logger.warn(
        { names },
        'The certificate does not carry these names: the authority of this gateway was made without them. Clients that use them see a warning. To get a new authority, stop the gateway and remove its file tls/own.pem.',
      );
    this.#missing = text;
  }

  /** In the background: a disk that hangs must not hold up polls when an address changes. */
  async #write(held: Held): Promise<void> {
    const { identity, authority, permits } = held;
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const whole = `${PERMITS}${JSON.stringify(permits)}\n${authority.certificate}${authority.key}${identity.cert}${identity.key}`;
    await writeOwn(path.join(this.#folder, OWN), whole);
    await this.#copyAuthority(held);
  }

  /** The listeners do without it. It is wrong after a cut between both files, and where somebody brought the other one. */
  async #copyAuthority({ authority }: Held): Promise<void> {
    const file = path.join(this.#folder, AUTHORITY_FILE);
    try {
      if (contentOf(file) !== authority.certificate) await writeOwn(file, authority.certificate, 0o644);
    } catch (thrown) {
      this.#o.logger.warn(
        { error: toError(thrown).message, file },
        'The copy of the authority for clients cannot be written. Do not give this file to clients: it is missing, or it is of another authority.',
      );
    }
  }
}

/** @throws SluiceError where the four do not fit together */
function heldOf(authority: KeyPair, server: KeyPair, permits: HostNames): Held {
  const ca = certificateOf(authority.certificate);
  const identity = identityOf(server.key, server.certificate);
  const leaf = certificateOf(server.certificate);
  if (!ca.ca || !ca.checkPrivateKey(createPrivateKey(authority.key))) throw new Error('the key of the authority does not fit');
  if (!leaf.checkIssued(ca) || !leaf.verify(ca.publicKey)) throw new Error('the authority did not sign the certificate');
  const { certificate } = authority;
  return { identity: { ...identity, authority: { certificate, fingerprint: ca.fingerprint256 } }, authority, permits };
}

/** A line before the first PEM block. */
const PERMITS = 'permits: ';
function permitsOf(text: string): HostNames {
  const line = text.split('\n').find((one) => one.startsWith(PERMITS));
  const found = JSON.parse(line?.slice(PERMITS.length) ?? 'null') as Partial<HostNames> | null;
  const list = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);
  return { dns: list(found?.dns), addresses: list(found?.addresses) };
}

/** What is wrong, and what to do where the folder cannot be written. */
function faultWords(thrown: unknown, folder: string): string {
  const { message } = toError(thrown);
  switch ((thrown as NodeJS.ErrnoException).code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${message}; the user of the gateway must be able to write the folder ${folder}: give it to that user`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `${message}; make room on the disk of ${folder}`;
    case 'EEXIST':
    case 'ENOTDIR':
    case 'EISDIR':
    case 'ERR_FS_EISDIR':
      return `${message}; move away what is in its place`;
    default:
      return message;
  }
}

/** Reads a small file. @returns undefined: there is none, or nothing that can be read */
function contentOf(file: string): string | undefined {
  try {
    const stats = lstatSync(file);
    return stats.isFile() && stats.size <= MOST_PEM ? readFileSync(file, 'latin1') : undefined;
  } catch {
    return undefined;
  }
}
