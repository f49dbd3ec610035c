/** A forwarder with a cursor under a budget: what of the log is worth a visit, and what a visit carries. */
import { SluiceError } from '../../../core/errors.ts';
import type { OutBatch, OutNotice } from '../../../store/delivery/out.ts';
import type { Outlet } from '../../../store/delivery/outlet.ts';
import type { Lane } from '../../../store/files/lane-state.ts';
import type { DrainVisit } from '../../drain-sides.ts';
import { brokerAddress, usesTls } from '../address.ts';
import type { Courier } from '../courier.ts';
import type { LogForwarderOptions } from '../log-forwarder-options.ts';
import type { Account } from './account.ts';
import type { Budget } from './purse.ts';
import { Summaries } from './summaries.ts';
import { Visits } from './visits.ts';

const LANES: readonly Lane[] = ['data', 'history'];

export interface LogVisitsSide {
  readonly budget: Budget;
  readonly options: LogForwarderOptions;
  readonly outlet: Outlet;
  readonly account: Account;
  /** Data and history wait. */
  readonly holds: () => boolean;
  /** Bytes of messages of rules that wait, and whether none leaves now. */
  readonly messages: () => readonly number[];
  readonly quiet: () => boolean;
  /** undefined: it does not leave. */
  readonly channel: (notice: OutNotice) => string | undefined;
  /** What was acknowledged in this run. */
  readonly delivered: () => { readonly bytes: number; readonly readings: number };
}

export class LogVisits {
  readonly visits: Visits;
  readonly #side: LogVisitsSide;
  readonly #summaries: Summaries | undefined;

  constructor(side: LogVisitsSide) {
    this.#side = side;
    const { budget, account, outlet, holds } = side;
    const { name, clock, random, event, logger, settings, gateway, log, inventory, memory, classesBefore, clockKnown } =
      side.options;
    this.visits = new Visits({
      ...{ budget, clock, random, account },
      tls: [settings.url].flat().some((url) => usesTls(brokerAddress(url))),
      alarms: (held) => this.#alarmWaits(held),
      messages: side.messages,
      readings: () => !holds() && this.#readingsWait(),
      smallest: () => this.#smallest(),
      tooLarge: (bytes, most) =>
        logger.error(
          { forwarder: name, bytes, most },
          'A reading takes more than the budget allows in a day; only alarms leave until perDay is raised.',
        ),
      overrun: (spent, alarms) =>
        event('overrun', `The alarms of today take more than the budget of ${name}; they leave all the same.`, {
          ...{ forwarder: name, spent, alarms, budget: budget.perDay ?? 0 },
        }),
    });
    if (budget.summary === false || budget.perDay === undefined) return;
    this.#summaries = new Summaries({
      ...{ gateway, forwarder: name, log, inventory, classesBefore, delivered: side.delivered, now: () => account.utc },
      known: clockKnown,
      ...{ wanted: () => outlet.wanted, memory: memory(`${name}@summary`) },
    });
  }

  /** What the drain loop asks on this visit. */
  drain(courier: Courier): DrainVisit {
    const { visits } = this;
    return {
      alarmsOnly: !visits.bulk,
      ...{ first: () => this.#summary(courier), quiet: this.#side.quiet },
      admit: (what) => visits.admit(bytesOfItem(what), 'json' in what ? 1 : what.readings, !('json' in what)),
      settled: (what) => visits.settled(bytesOfItem(what)),
      ...{ unfinished: () => visits.unfinished(), over: (of) => visits.over(of) },
      ...{ holds: (channel) => visits.holds(channel), passed: (channel) => visits.alarmPassed(channel) },
      stuck: (batch) => visits.stuck(bytesOfItem(batch)),
    };
  }

  /** The drain loop of a visit came to its end. @param begun UTC ms at which the visit began */
  drained(begun: number): void {
    if (this.visits.bulk && LANES.every((lane) => !this.#side.outlet.pending(lane))) this.#summaries?.cover(begun);
  }

  /** Coarse first: what does not fit as readings. @throws SluiceError when the connection is over */
  async #summary(courier: Courier): Promise<void> {
    const { options, holds } = this.#side;
    if (this.#summaries === undefined || holds() || this.visits.starved) return;
    const made = await this.#summaries.make(this.visits.left).catch((thrown: unknown) => {
      if (thrown instanceof SluiceError && thrown.code === 'log-read') return undefined;
      throw thrown;
    });
    if (made === undefined || this.visits.admit(made.bytes, 1, false) !== true) return;
    const outcome = await courier.deliver([made.message]);
    this.visits.settled(made.bytes);
    if (typeof outcome === 'object' && 'keep' in outcome) return;
    this.#summaries.cover(made.to);
    if (outcome !== 'accept')
      options.logger.warn(
        { forwarder: options.name, error: outcome.reject.message },
        'The broker refused a summary for good; write budget: {summary: false} when the platform has no use for it.',
      );
  }

  /** With a filter it looks: those that it leaves out are passed over, and worth no visit. */
  async #readingsWait(): Promise<boolean> {
    const { outlet } = this.#side;
    const lanes = LANES.filter((lane) => outlet.pending(lane));
    if (!outlet.filters) return lanes.length > 0;
    try {
      for (const lane of lanes) if ((await outlet.next(lane, 1)) !== undefined) return true;
      return false;
    } catch (thrown) {
      if (thrown instanceof SluiceError && thrown.code === 'log-read') return false;
      throw thrown;
    }
  }

  /** Bytes of the smallest batch that may be next. */
  async #smallest(): Promise<number | undefined> {
    const { outlet, holds } = this.#side;
    if (holds()) return undefined;
    let least: number | undefined;
    try {
      for (const lane of LANES) {
        const batch = outlet.pending(lane) ? await outlet.next(lane, 1) : undefined;
        if (batch !== undefined) least = Math.min(least ?? Number.POSITIVE_INFINITY, bytesOf(batch));
      }
      return least;
    } catch (thrown) {
      if (thrown instanceof SluiceError && thrown.code === 'log-read') return undefined;
      throw thrown;
    }
  }

  /** Those that do not leave are passed over: they are worth no visit. Neither is one of a channel that is held. */
  async #alarmWaits(held: (channel: string) => boolean): Promise<boolean> {
    const { outlet, channel } = this.#side;
    try {
      return (await outlet.offers('alarm', { limit: 1, channel, held })).length > 0;
    } catch (thrown) {
      if (thrown instanceof SluiceError && thrown.code === 'log-read') return false;
      throw thrown;
    }
  }
}

function bytesOfItem(what: OutBatch | OutNotice): number {
  return 'json' in what ? Buffer.byteLength(what.json) : bytesOf(what);
}

/** Bytes of the payloads of a batch, as they are on the wire. */
export function bytesOf({ messages }: OutBatch): number {
  return messages.reduce((sum, { payload }) => sum + Buffer.byteLength(payload), 0);
}
