/** The identities of the gateway's TLS listeners: the gateway's own certificate, made when it is first needed, and pairs of files. */
import { Certificates, type OwnIdentity } from '../access/tls/certificates.ts';
import { OperatorFiles } from '../access/tls/operator-files.ts';
import type { Listen } from '../config/kinds.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { TlsSource } from '../core/tls-source.ts';

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
export type Part = 'broker' | 'dashboard';

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
    const name = JSON.stringify([tls.cert, tls.key]);
    let files = this.#files.get(name);
    if (files === undefined) {
      const { clock, logger, now } = this.#o;
      files = new OperatorFiles({ ...tls, clock, logger, now: () => (now().known ? now().utc : undefined) });
      this.#files.set(name, files);
      files.start();
    }
    return files;
  }

  /** The pairs of files that no part of the configuration names any more go. */
  keep(part: Part, listen: readonly Listen[]): void {
    const named = listen.flatMap(({ tls }) => (tls === undefined || tls === true ? [] : [JSON.stringify([tls.cert, tls.key])]));
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
