/**
 * What a page about a running gateway is drawn from. Bounds:
 * - one question for the status in STATUS_MS, and never two at once; one stream of readings; one export for each connection,
 *   of which MAX_HISTORY characters are taken. A GET writes nothing, so the gateway commits nothing because somebody looks.
 * - MAX_POINTS points, each with memory of a fixed size.
 * A gateway that goes away is asked again every RETRY_MS; what was known stays.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { request, stream, text } from '../../admin/client.ts';
import type { GatewayStatus, TailItem, TailReading } from '../../admin/target.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError } from '../../core/errors.ts';
import { decimalsOf, valueWords } from '../terminal/point-rows.ts';
import { widthOf } from '../terminal/text.ts';
import { Trend } from '../terminal/trend.ts';

export const SPAN = 300_000;
const SLOTS = 60;
/** The step of the history that fills the trends at the start. Milliseconds. */
const STEP = 10_000;
const STATUS_MS = 2000;
const RETRY_MS = 1000;
const MAX_POINTS = 2000;
const MAX_HISTORY = 8 * 1024 * 1024;
const MAX_VALUE_WIDTH = 12;

export interface WatchedPoint {
  readonly device: string;
  readonly point: string;
  readonly trend: Trend;
  /** undefined: the history has it, and no reading came yet. */
  reading: TailReading | undefined;
  /** They only grow, so that a column does not jump. */
  decimals: number;
}

/** A line of an export in buckets. */
interface Bucket {
  readonly time: number;
  readonly point: string;
  readonly min: number | null;
  readonly mean: number | null;
  readonly max: number | null;
  readonly count: number;
}

export class Feed {
  readonly #socket: string;
  readonly #clock: Clock;
  readonly #points = new Map<string, WatchedPoint>();
  #status: GatewayStatus | undefined;
  #taken = 0;
  #asking = false;
  #valueWidth = 7;
  #awaySince: number | undefined;
  #unseen = 0;
  #stopped = false;

  constructor(socket: string, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  get status(): GatewayStatus | undefined {
    return this.#status;
  }
  /** By device and name. */
  get points(): readonly WatchedPoint[] {
    const order = new Map(this.#status?.buses.flatMap(({ devices }) => devices).map(({ name }, i) => [name, i]));
    const place = ({ device }: WatchedPoint) => order.get(device) ?? order.size;
    return [...this.#points.values()].sort(
      (a, b) => place(a) - place(b) || compare(a.device, b.device) || compare(a.point, b.point),
    );
  }
  /** Readings of points for which there was no room. */
  get hasMore(): boolean {
    return this.#unseen > 0;
  }
  /** Columns of the longest value that there was. */
  get valueWidth(): number {
    return this.#valueWidth;
  }
  /** UTC ms of the gateway's clock since when it does not answer. */
  get awaySince(): number | undefined {
    return this.#awaySince;
  }
  /** UTC ms by the gateway's clock, which goes on while it does not answer. */
  get now(): number {
    const { time = this.#clock.wall() } = this.#status?.gateway ?? {};
    return Math.round(this.#status === undefined ? time : time + this.#clock.monotonic() - this.#taken);
  }

  /** Asks for the first time. @throws SluiceError `not-running` */
  async open(): Promise<void> {
    await this.#ask();
  }

  /** Until `stop`. Rejects with what is not the fault of a gateway that is away. */
  async follow(): Promise<void> {
    while (!this.#stopped) {
      try {
        if (this.#awaySince !== undefined) await this.#ask();
        this.#awaySince = undefined;
        await this.#connected();
      } catch (thrown) {
        if (!(thrown instanceof SluiceError)) throw thrown;
      }
      this.#awaySince ??= this.now;
      await sleep(RETRY_MS);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Ends when the gateway does. */
  async #connected(): Promise<void> {
    const cancel = this.#every(STATUS_MS, () => void this.#askQuietly());
    try {
      const tail = stream(this.#socket, '/api/v1/tail');
      void this.#fill();
      for await (const item of tail) {
        if (this.#stopped) return;
        this.take(item as TailItem);
      }
    } finally {
      cancel();
    }
  }

  /** The minutes before, once a connection; without them the trends fill by themselves. */
  async #fill(): Promise<void> {
    let rest = '';
    let taken = 0;
    try {
      for await (const piece of text(this.#socket, `/api/v1/export?format=jsonl&from=${SPAN}ms&every=${STEP}ms`)) {
        const lines = (rest + piece).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') this.takeBucket(JSON.parse(line) as Bucket);
        taken += piece.length;
        if (taken > MAX_HISTORY || this.#stopped) return;
      }
    } catch {
      // Others export now, or the gateway goes away. Nothing is missing that the next minutes do not bring.
    }
  }

  /** Takes a reading; alarms are left out. */
  take(item: TailItem): void {
    if (item.type !== 'reading') return;
    const point = this.#pointOf(item.device, item.point);
    if (point === undefined) return;
    point.reading = item;
    point.trend.take(item);
    if (typeof item.value === 'number') point.decimals = Math.max(point.decimals, decimalsOf(item.value));
    const wide = widthOf(valueWords(item, point.decimals));
    this.#valueWidth = Math.min(MAX_VALUE_WIDTH, Math.max(this.#valueWidth, wide));
  }

  /** Takes a bucket of the minutes before. */
  takeBucket({ time, point: name, min, mean, max, count }: Bucket): void {
    const [device = '', of = ''] = name.split('.');
    const point = this.#pointOf(device, of);
    if (point === undefined) return;
    // A text has no numbers.
    if (count === 0 || mean !== null) point.trend.add(time, mean ?? undefined);
    for (const value of [min, max]) if (value !== null) point.decimals = Math.max(point.decimals, decimalsOf(value));
  }

  #pointOf(device: string, point: string): WatchedPoint | undefined {
    const name = `${device}.${point}`;
    let found = this.#points.get(name);
    if (found === undefined) {
      if (this.#points.size >= MAX_POINTS) {
        this.#unseen++;
        return undefined;
      }
      found = { device, point, trend: new Trend(SPAN, SLOTS), reading: undefined, decimals: 0 };
      this.#points.set(name, found);
    }
    return found;
  }

  async #ask(): Promise<void> {
    this.takeStatus((await request(this.#socket, 'GET', '/api/v1/status')) as GatewayStatus);
  }

  takeStatus(status: GatewayStatus): void {
    this.#status = status;
    this.#taken = this.#clock.monotonic();
    // A reload may have taken devices away.
    const devices = new Set(status.buses.flatMap(({ devices }) => devices.map(({ name }) => name)));
    for (const [name, { device }] of this.#points) if (!devices.has(device)) this.#points.delete(name);
  }

  async #askQuietly(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      await this.#ask();
    } catch {
      // The stream of readings ends as well then, and says it.
    } finally {
      this.#asking = false;
    }
  }

  #every(ms: number, run: () => void): () => void {
    let cancel = (): void => {};
    const again = () => {
      run();
      cancel = this.#clock.after(ms, again);
    };
    cancel = this.#clock.after(ms, again);
    return () => cancel();
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
