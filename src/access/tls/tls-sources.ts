/** The identities of the gateway's TLS listeners: the gateway's own certificate, made when it is first needed, and pairs of files. */

import type { Listen } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { TlsSource } from '../../core/tls-source.ts';
import { Certificates, type OwnIdentity } from './certificates.ts';
import { OperatorFiles } from './operator-files.ts';

export interface TlsSourcesOptions {
  readonly stateDir: () => string;
  readonly subject: () => string;
  /** Names that the gateway's own certificate carries beside those of the machine. */
  readonly names: () => readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly now: () => { readonly utc: number; readonly known: boolean };
}

/** The parts of the configuration that have listeners. */
export type Part = 'broker' | 'dashboard' | 'flows';

export class TlsSources {
  readonly #o: TlsSourcesOptions;
  #certificates: Certificates | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #files = new Map<string, OperatorFiles>();
  /** The pairs of files that each part of the configuration names. */
  readonly #named = new Map<Part, ReadonlySet<string>>();

  constructor(options: TlsSourcesOptions) {
    this.#o = options;
  }

  /** The gateway's own certificate; undefined while no listener uses it, and until it is made. */
  get own(): OwnIdentity | undefined {
    return this.#certificates?.current;
  }

  /** Starts what the listener needs; the same pair of files is read once. */
  of(tls: NonNullable<Listen['tls']>): TlsSource {
    if (tls === true) return this.#ownSource();
    const name = nameOf(tls);
    let files = this.#files.get(name);
    if (files === undefined) {
      const { clock, logger, now } = this.#o;
      files = new OperatorFiles({ ...tls, clock, logger, now: () => (now().known ? now().utc : undefined) });
      this.#files.set(name, files);
      files.start();
    }
    return files;
  }

  /**
   * Reads or makes the certificates that these listeners need.
   * @throws SluiceError tls-files: a listener would have none
   */
  async ready(listen: readonly Listen[]): Promise<void> {
    for (const { host, port, tls } of listen) {
      if (tls === undefined) continue;
      const source = this.of(tls);
      if (tls === true) await this.#certificates?.look();
      else this.#files.get(nameOf(tls))?.look();
      if (source.current === undefined)
        throw new SluiceError(
          'tls-files',
          `${host}:${port} has no certificate: ${source.fault ?? 'it is being made'}; correct the files or their names and reload again`,
        );
    }
  }

  /** The pairs of files that no part of the configuration names any more go. */
  keep(part: Part, listen: readonly Listen[]): void {
    const named = listen.flatMap(({ tls }) => (tls === undefined || tls === true ? [] : [nameOf(tls)]));
    this.#named.set(part, new Set(named));
    for (const [name, files] of this.#files) {
      if ([...this.#named.values()].some((names) => names.has(name))) continue;
      files.stop();
      this.#files.delete(name);
    }
  }

  /** The clock became known or was set, or the names changed. */
  changed(): void {
    void this.#certificates?.look();
  }

  async stop(): Promise<void> {
    for (const part of this.#named.keys()) this.keep(part, []);
    await this.#certificates?.stop();
  }

  #ownSource(): TlsSource {
    const { stateDir, subject, clock, logger, now, names } = this.#o;
    if (this.#certificates === undefined) {
      this.#certificates = new Certificates({
        ...{ stateDir: stateDir(), subject: subject(), clock, logger, now, extra: names },
        onChange: () => {
          for (const listener of this.#listeners) listener();
        },
      });
      void this.#certificates.start();
    }
    const certificates = this.#certificates;
    return {
      get current() {
        return certificates.current;
      },
      get fault() {
        return certificates.fault;
      },
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }
}

function nameOf({ cert, key }: { readonly cert: string; readonly key: string }): string {
  return JSON.stringify([cert, key]);
}
