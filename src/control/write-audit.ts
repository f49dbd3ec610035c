/**
 * Every write, done or refused, as an event `write` and a line of the log: who asked, which point, which value, what came
 * of it. A caller that asks without end must not push readings out of the log: from the 61st of a minute on writes are
 * counted and told together when the minute is over.
 */
import type { Clock } from '../core/clock.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { plainValue } from '../core/point.ts';
import type { GatewayEvent, WriteRequest, WriteResult } from '../core/ports.ts';
import { Quota } from '../core/quota.ts';

const TOLD = 60;
const MINUTE = 60_000;
/** Characters of a value or a name as they are kept. */
const LONGEST = 250;

type Outcome = 'done' | 'refused' | 'failed';

export interface AuditOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
}

export class WriteAudit {
  readonly #o: AuditOptions;
  readonly #quota: Quota;
  #untold: Record<Outcome, number> = { done: 0, refused: 0, failed: 0 };

  constructor(options: AuditOptions) {
    this.#o = options;
    this.#quota = new Quota({ clock: options.clock, period: MINUTE, most: TOLD, rest: () => this.#rest() });
  }

  done(request: WriteRequest, { value: shown, type, readBack }: WriteResult): void {
    const value = plainValue(shown, type);
    const how = readBack ? '' : '; it is not read back';
    this.#tell({ ...request, value }, 'done', `${request.point} was set to ${text(value)}${byWhom(request)}${how}.`, {});
  }

  refused(request: WriteRequest, thrown: unknown): void {
    const { code, data } = thrown instanceof SluiceError ? thrown : new SluiceError('internal');
    const sent = data.sent !== false && !['write-refused', 'not-found', 'request-invalid', 'not-running'].includes(code);
    const outcome = sent ? 'failed' : 'refused';
    // Once is enough.
    const why = toError(thrown).message.replace(`${request.point}: `, '');
    const message = `${clean(request.point)} was not set to ${text(request.value)}${byWhom(request)}: ${why}.`;
    this.#tell(request, outcome, message, { code });
  }

  /** What is counted is told now. */
  flush(): void {
    this.#quota.flush();
  }

  #rest(): void {
    const { done, refused, failed } = this.#untold;
    this.#untold = { done: 0, refused: 0, failed: 0 };
    const more = done + refused + failed;
    const message = `${more} more writes were asked for within a minute: ${done} were done, ${refused} refused, ${failed} failed.`;
    this.#o.logger.warn({ done, refused, failed }, message);
    this.#o.tell({ event: 'write', severity: 'warning', message, data: { result: 'more', done, refused, failed } });
  }

  #tell(request: WriteRequest, result: Outcome, message: string, more: { code?: string }): void {
    if (!this.#quota.take()) {
      this.#untold[result]++;
      return;
    }
    const { via, who } = request.by;
    const data = {
      ...{ point: clean(request.point), value: plain(request.value), result, ...more, via },
      ...(who === undefined ? {} : { who: clean(who) }),
    };
    this.#o.logger[result === 'done' ? 'info' : 'warn'](data, message);
    this.#o.tell({ event: 'write', severity: result === 'done' ? 'info' : 'warning', message, data });
  }
}

function byWhom({ by: { via, who } }: WriteRequest): string {
  const from = via === 'socket' ? 'on this board' : via === 'rule' ? 'by a rule' : 'by a command';
  return ` ${from}${who === undefined ? '' : ` (${clean(who)})`}`;
}

function plain(value: WriteRequest['value']): string | number | boolean {
  if (typeof value === 'string') return clean(value);
  // JSON has no NaN.
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : plainValue(value, undefined);
}

const text = (value: WriteRequest['value']): string => String(plain(value));
/** Names and texts come from outside. */
const clean = (given: string): string => given.slice(0, LONGEST).replace(/\p{Cc}/gu, '�');
