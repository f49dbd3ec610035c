/** An authority of a test, and what it signs, made by openssl. Files, PEM. */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { peer } from '../peers/peers.ts';
import { scratch } from './scratch.ts';

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface SignOptions {
  /** `DNS:localhost,IP:127.0.0.1`; empty: none. */
  readonly names?: string;
  /** Days from now; both may lie in the past or the future. */
  readonly from?: number;
  readonly until?: number;
}

/** The keys of an authority and of all that it signs. */
export type KeyKind = 'P-256' | 'RSA-2048';

const NEW_KEY: Readonly<Record<KeyKind, readonly string[]>> = {
  'P-256': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  'RSA-2048': ['-newkey', 'rsa:2048'],
};
const DAY = 86_400_000;

export class Authority {
  readonly ca: string;
  readonly folder: string;
  readonly #openssl: string;
  readonly #key: string;

  readonly #kind: KeyKind;

  private constructor(openssl: string, folder: string, name: string, kind: KeyKind) {
    this.#openssl = openssl;
    this.#kind = kind;
    this.folder = folder;
    this.ca = path.join(folder, 'ca.pem');
    this.#key = path.join(folder, 'ca.key');
    this.#make(['-x509', '-days', '30', '-subj', `/CN=${name}`], { cert: this.ca, key: this.#key });
  }

  /** undefined after a skip. */
  static make(t: TestContext, name = 'Test authority', kind: KeyKind = 'P-256'): Authority | undefined {
    const openssl = peer(t, 'openssl', 'apt-get install -y openssl');
    return openssl === undefined ? undefined : new Authority(openssl, scratch(t, 'authority'), name, kind);
  }

  sign(name: string, { names = 'DNS:localhost,IP:127.0.0.1', from = -1, until = 20 }: SignOptions = {}): Pair {
    const at = (file: string) => path.join(this.folder, `${name}.${file}`);
    const pair = { cert: at('pem'), key: at('key') };
    this.#make(['-subj', `/CN=${name}`], { cert: at('csr'), key: pair.key });
    writeFileSync(at('ext'), names === '' ? '' : `subjectAltName=${names}\n`);
    const dates = ['-not_before', date(from), '-not_after', date(until)];
    this.#run(
      ['x509', '-req', '-in', at('csr'), '-CA', this.ca, '-CAkey', this.#key, '-CAcreateserial', '-out', pair.cert].concat([
        '-extfile',
        at('ext'),
        ...dates,
      ]),
    );
    return pair;
  }

  #make(args: readonly string[], { cert, key }: Pair): void {
    this.#run(['req', ...NEW_KEY[this.#kind], '-nodes', ...args, '-keyout', key, '-out', cert]);
  }

  #run(args: readonly string[]): void {
    execFileSync(this.#openssl, args, { stdio: 'ignore' });
  }
}

/** SHA-256 as 64 hexadecimal digits. */
export function fingerprintOf({ cert }: Pick<Pair, 'cert'>): string {
  return new X509Certificate(readFileSync(cert)).fingerprint256.replaceAll(':', '').toLowerCase();
}

function date(days: number): string {
  return new Date(Date.now() + days * DAY).toISOString().replace(/[-:T]|\.\d+/g, '');
}
