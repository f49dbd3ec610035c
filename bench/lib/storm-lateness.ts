/**
 * How late polls and alarms are, by the clock of the devices. A device is polled at its interval for ever, so each poll is as late as
 * it is behind the earliest place in the interval of the round without a storm. An alarm takes from the reply that shows the
 * crossing to its arrival.
 */
import type { Alarms } from './beats.ts';
import { percentile } from './conditions.ts';
import { type Broker, intervalOf, type Poll, RULES } from './storm-brokers.ts';

interface Span {
  readonly from: number;
  readonly to: number;
}
type When = 'idle' | 'storm';

interface Found {
  readonly polls: number[];
  /** By the interval. */
  due: number;
  readonly local: number[];
  readonly upstream: number[];
}

const nothing = (): Found => ({ polls: [], due: 0, local: [], upstream: [] });

export class Lateness {
  readonly #broker: Broker;
  readonly #alarms: Alarms;
  readonly #found: Record<When, Found> = { idle: nothing(), storm: nothing() };

  constructor(broker: Broker, alarms: Alarms) {
    this.#broker = broker;
    this.#alarms = alarms;
  }

  /** A round begins: what was before is forgotten. */
  async begin(): Promise<void> {
    await this.#broker.devices?.polls();
    this.#alarms.seen = [];
    if (this.#broker.upstream !== undefined) this.#broker.upstream.seen = [];
  }

  async end(idle: Span, storm: Span): Promise<void> {
    const polls = (await this.#broker.devices?.polls()) ?? [];
    const arrived = [this.#alarms, this.#broker.upstream].map(
      (alarms) => new Map((alarms?.seen ?? []).map(({ rule, value, at }) => [`${rule} ${Math.round(value * 100)}`, at])),
    );
    for (const [when, span] of [
      ['idle', idle],
      ['storm', storm],
    ] as const) {
      const found = this.#found[when];
      polls.forEach((of, device) => {
        const interval = intervalOf(device) * 1000;
        const place = placeOf(of.filter(within(idle)), interval);
        found.due += (span.to - span.from) / interval;
        for (const [number, at, replied] of of.filter(within(span))) {
          found.polls.push(behind(at, place, interval) / 1000);
          if (device >= RULES) continue;
          const key = `r${device} ${number + (number % 2) * 20_000}`;
          for (const [i, list] of [found.local, found.upstream].entries()) {
            if (i === 0 && this.#broker.apart === true) continue;
            const seen = arrived[i]?.get(key);
            // One that never came is as late as the end of the round.
            list.push(((seen ?? storm.to) - replied) / 1000);
          }
        }
      });
    }
  }

  /** Polls of those due; p99 and most of their lateness; p99 of alarms here and upstream: milliseconds. */
  figures(when: When): (string | number)[] {
    const { polls, due, local, upstream } = this.#found[when];
    const most = polls.reduce((a, b) => Math.max(a, b), 0);
    return [
      `${polls.length} of ${Math.round(due)}`,
      ...[percentile(polls, 0.99), most, percentile(local, 0.99), percentile(upstream, 0.99)],
    ];
  }
}

const within =
  ({ from, to }: Span) =>
  ([, at]: Poll): boolean =>
    at >= from && at < to;

/** How far behind a place in the interval; a poll is never early by more than a tenth of it. */
export function behind(at: number, place: number, interval: number): number {
  const late = (((at - place) % interval) + interval) % interval;
  return late > 0.9 * interval ? late - interval : late;
}

/** The earliest place in the interval. */
export function placeOf(polls: readonly Poll[], interval: number): number {
  const [first] = polls;
  if (first === undefined) return 0;
  let place = first[1];
  for (const [, at] of polls) if (behind(at, place, interval) < 0) place = at;
  return place;
}
