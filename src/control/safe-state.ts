/**
 * Sets points that ask for it (`write.safe`) when nobody is there to lead them: when the gateway stops, and when no
 * forwarder has been connected for so long.
 *
 * - Once in an outage for each point; nothing is written back when upstream returns: the system that leads the device does that.
 * - What fails is tried again until it succeeds or upstream is back: a silent device soon after it answers again.
 * - Events `safe-state` report when it is done, when it first fails, and when upstream is back. A reload writes nothing.
 * - Bounds: one timer, one write under way for each point.
 */
import type { Clock } from '../core/clock.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { plainValue } from '../core/point.ts';
import type { GatewayEvent, SafePoint } from '../core/ports.ts';
import { formatDuration } from '../core/units.ts';

/** How often the connection is looked at, ms. */
const LOOK = 1000;
/** Nothing was sent, since the device is silent or its bus is closed; asking again costs the bus nothing. */
const RETRY_UNSENT = 2000;
/** The device refused it or did not take it; doubled each time. */
const RETRY_FIRST = 10_000;
const RETRY_LONGEST = 600_000;

export interface SafeStateOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
  /** An event as everybody may see it, in the log of the process too. Absent: as it was made. */
  readonly disclose?: ((event: GatewayEvent) => GatewayEvent) | undefined;
  /** As configured now. */
  readonly points: () => readonly SafePoint[];
  /** Rejects with a SluiceError. */
  readonly write: (point: SafePoint) => Promise<unknown>;
  /** Whether some forwarder is connected. */
  readonly connected: () => boolean;
}

/** A point in this outage. */
interface Entry {
  state: 'writing' | 'done' | 'failed';
  /** When to try again. */
  due: number;
  wait: number;
}

export class SafeState {
  readonly #o: SafeStateOptions;
  readonly #entries = new Map<string, Entry>();
  #awaySince: number | undefined;
  #cancelLook: (() => void) | undefined;
  #stopped = false;

  constructor(options: SafeStateOptions) {
    this.#o = options;
  }

  /** Also after a reload. */
  start(): void {
    this.#cancelLook?.();
    this.#cancelLook = undefined;
    if (this.#stopped) return;
    if (this.#o.points().some((p) => p.offline !== undefined)) this.#look();
    else this.#forget();
  }

  /** Sets what is to be set at a stop. @param within ms; then it is given up and reported */
  async stop(within: number): Promise<void> {
    this.#stopped = true;
    this.#cancelLook?.();
    const { promise: late, resolve } = Promise.withResolvers<'late'>();
    const cancel = this.#o.clock.after(within, () => resolve('late'));
    const set = async (point: SafePoint): Promise<void> => {
      try {
        if ((await Promise.race([this.#o.write(point), late])) === 'late')
          throw new SluiceError('timeout', 'the gateway ended before that');
        this.#done(point, 'stop');
      } catch (thrown) {
        this.#failed(point, 'stop', thrown);
      }
    };
    await Promise.all(
      this.#o
        .points()
        .filter((p) => p.onStop)
        .map(set),
    );
    cancel();
  }

  #look(): void {
    const { clock, connected } = this.#o;
    const now = clock.monotonic();
    if (connected()) this.#back(now);
    else this.#away(now);
    this.#cancelLook = clock.after(LOOK, () => this.#look());
  }

  #away(now: number): void {
    this.#awaySince ??= now;
    const points = this.#o.points();
    const keys = new Set(points.map(keyOf));
    for (const key of this.#entries.keys()) if (!keys.has(key)) this.#entries.delete(key);
    for (const point of points) {
      if (point.offline === undefined || now - this.#awaySince < point.offline) continue;
      const entry = this.#entries.get(keyOf(point));
      if (entry === undefined || (entry.state === 'failed' && entry.due <= now)) void this.#set(point, entry);
    }
  }

  async #set(point: SafePoint, before: Entry | undefined): Promise<void> {
    const entry: Entry = { state: 'writing', due: 0, wait: before?.wait ?? RETRY_FIRST };
    this.#entries.set(keyOf(point), entry);
    try {
      await this.#o.write(point);
      entry.state = 'done';
      if (!this.#stopped) this.#done(point, 'offline');
    } catch (thrown) {
      const unsent = thrown instanceof SluiceError && thrown.data.sent === false;
      entry.state = 'failed';
      entry.due = this.#o.clock.monotonic() + (unsent ? RETRY_UNSENT : entry.wait);
      if (!unsent) entry.wait = Math.min(entry.wait * 2, RETRY_LONGEST);
      if (before === undefined && !this.#stopped) this.#failed(point, 'offline', thrown);
    }
  }

  #back(now: number): void {
    if (this.#awaySince !== undefined && this.#entries.size > 0) {
      const done = [...this.#entries.values()].filter((e) => e.state === 'done').length;
      const open = this.#entries.size - done;
      const lasted = formatDuration(Math.round((now - this.#awaySince) / 1000) * 1000);
      const message = `A forwarder is connected again after ${lasted}. ${done} points were set to their safe value${open === 0 ? '' : `, ${open} could not be set`}; nothing is written back.`;
      this.#report('info', message, { result: 'back', done, failed: open });
    }
    this.#forget();
  }

  #forget(): void {
    this.#awaySince = undefined;
    this.#entries.clear();
  }

  #done(point: SafePoint, why: 'stop' | 'offline'): void {
    const words = (value: string): string => `${nameOf(point)} was set to its safe value${value}: ${because(point, why)}.`;
    const data = { ...factsOf(point), why, result: 'done' };
    this.#report(why === 'stop' ? 'info' : 'warning', words(` ${String(point.value)}`), data, words(''));
  }

  #failed(point: SafePoint, why: 'stop' | 'offline', thrown: unknown): void {
    const code = thrown instanceof SluiceError ? thrown.code : 'internal';
    const again = why === 'stop' ? '' : ' The gateway tries again until it succeeds or a forwarder is connected.';
    const message = `${nameOf(point)} could not be set to its safe value ${String(point.value)} (${because(point, why)}): ${toError(thrown).message}.${again}`;
    const bare = `${nameOf(point)} could not be set to its safe value (${because(point, why)}): ${code}.${again}`;
    this.#report('critical', message, { ...factsOf(point), why, result: 'failed', code }, bare);
  }

  #report(severity: GatewayEvent['severity'], message: string, data: NonNullable<GatewayEvent['data']>, bare?: string): void {
    const made = { event: 'safe-state', severity, message, bare, data };
    const event = this.#o.disclose?.(made) ?? made;
    this.#o.logger[severity === 'info' ? 'info' : 'warn'](event.data ?? {}, event.message);
    this.#o.tell(event);
  }
}

const nameOf = ({ device, point }: SafePoint): string => `${device}.${point}`;
/** A reload that changes the value makes it another thing to do. */
const keyOf = (point: SafePoint): string => `${nameOf(point)}=${String(point.value)}`;

function factsOf(point: SafePoint): Record<string, string | number | boolean> {
  return { point: nameOf(point), value: plainValue(point.value, undefined) };
}

function because(point: SafePoint, why: 'stop' | 'offline'): string {
  return why === 'stop' ? 'the gateway stops' : `no forwarder was connected for ${formatDuration(point.offline ?? 0)}`;
}
