/**
 * A certificate that the operator brings, in two files. They are looked at again while the gateway runs, so that a renewal by
 * another program needs no restart. A pair that cannot be used leaves the one before in force, and is reported once.
 */
import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import { toError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { TlsSource } from '../../core/tls-source.ts';
import { identityOf, MOST_PEM, type TlsIdentity } from './identity.ts';

/** The files are looked at so often, ms. */
const LOOK_EVERY = 600_000;
const DAY = 86_400_000;
/** A certificate that ends within this time is reported. */
const WARN_BEFORE = 14 * DAY;

export interface OperatorFilesOptions {
  /** Absolute paths of PEM files. */
  readonly cert: string;
  readonly key: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UTC ms; undefined while the clock is not known. */
  readonly now: () => number | undefined;
}

export class OperatorFiles implements TlsSource {
  current: TlsIdentity | undefined;
  fault: string | undefined;
  readonly #o: OperatorFilesOptions;
  readonly #listeners = new Set<() => void>();
  /** Times and sizes of both files when they were read last. */
  #read = '';
  /** The certificate whose end was reported. */
  #warned = '';
  #cancel: (() => void) | undefined;

  constructor(options: OperatorFilesOptions) {
    this.#o = options;
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#cancel?.();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the files again where they changed. */
  look(): void {
    this.#cancel?.();
    this.#look();
  }

  #look(): void {
    const { clock, key, cert, logger } = this.#o;
    this.#cancel = clock.after(LOOK_EVERY, () => this.#look());
    try {
      const seen = [key, cert].map(stampOf).join(' ');
      if (seen !== this.#read) {
        const identity = identityOf(readFileSync(key, 'latin1'), readFileSync(cert, 'latin1'));
        this.#read = seen;
        if (identity.fingerprint !== this.current?.fingerprint || identity.key !== this.current.key) {
          this.current = identity;
          for (const listener of this.#listeners) listener();
        }
      }
      // Also the files of before, which are there again.
      this.fault = undefined;
    } catch (thrown) {
      const fault = `${cert} and ${key}: ${toError(thrown).message}`;
      if (fault !== this.fault)
        logger.error({ error: fault }, 'The certificate of a listener cannot be used; it is looked at again.');
      this.fault = fault;
    }
    this.#warnOfEnd();
  }

  #warnOfEnd(): void {
    const now = this.#o.now();
    const identity = this.current;
    if (identity === undefined || now === undefined || identity.fingerprint === this.#warned) return;
    if (identity.until - now > WARN_BEFORE) return;
    this.#warned = identity.fingerprint;
    this.#o.logger.warn(
      { until: new Date(identity.until).toISOString(), file: this.#o.cert },
      'The certificate of a listener ends soon, or has ended: replace the files, the gateway reads them again.',
    );
  }
}

/** @throws Error of the file system, and where it is no file or too large */
function stampOf(file: string): string {
  const stats = statSync(file);
  // A pipe would keep the gateway waiting for a writer.
  if (!stats.isFile()) throw new Error(`${file} is not a file`);
  const { mtimeMs, size, ino } = stats;
  if (size > MOST_PEM) throw new Error(`${file} has ${size} bytes; a certificate has some thousand`);
  return `${ino}:${mtimeMs}:${size}`;
}
