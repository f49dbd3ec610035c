/** A running log as the source of bundles, and what a receipt moves in it. */
import type { FormatOptions } from '../../codecs/format.ts';
import { SluiceError } from '../../core/errors.ts';
import { BatchMaker } from '../delivery/batch-maker.ts';
import type { LogSide, Outlet } from '../delivery/outlet.ts';
import type { ContentSource, Owed, RangeSource } from './content.ts';

const FORMAT = 'columns';
const NO_OPTIONS: FormatOptions = {};

/** What an outlet owes. A batch that it gives is handed over: its times stay. Commit the hand-over before anybody gets the batch. */
export function liveContent(log: LogSide, outlet: Outlet, gateway: string): ContentSource {
  const maker = new BatchMaker(log);
  maker.address(gateway, FORMAT, NO_OPTIONS, outlet.wanted);
  return {
    owed: () => outlet.owed(),
    async batch(owed: Owed, from, maxReadings) {
      const { ordinal, log: name, lane, last } = owed;
      if (lane !== 'data' && lane !== 'history') throw new SluiceError('internal', 'notices are no batch');
      const end = ordinal === log.ordinal ? undefined : last;
      for (;;) {
        const found = await maker.fromFile({ ordinal, name, end }, lane, { from, to: last, maxReadings, passed: undefined });
        if (found === undefined) return undefined;
        const { batch, upTo } = found;
        if (batch === undefined) return { upTo };
        // The clock changed since: the same records have other times now.
        if (!outlet.handOver(batch)) continue;
        const { first, records, readings, messages } = batch;
        return { batch: { first, last: batch.last, records, readings, payload: messages[0]?.payload ?? '' }, upTo };
      }
    },
    async notices({ ordinal, lane, last }, after, limit) {
      if (lane !== 'alarm' && lane !== 'event') throw new SluiceError('internal', 'a batch is no notice');
      const { notices } = await log.keeper.notices({ log: ordinal, only: lane, after, to: last, limit });
      return notices.map((notice) => ({ ...notice, json: outlet.shown(notice.json) }));
    },
  };
}

/**
 * What it gives is handed over as well, in both lanes and with everything before it. Commit that before anybody gets the end.
 * @param between UTC ms, inclusive
 * @param settle commits the mappings of the clock
 */
export function liveRange(
  log: LogSide,
  outlet: Pick<Outlet, 'handOver' | 'outward'>,
  gateway: string,
  sent: number,
  between: { from: number; to: number },
  settle: () => Promise<void>,
): RangeSource {
  return {
    logs: log.opened.logs.map((of) => (of.ordinal === log.ordinal ? { ...of, last: log.committed } : of)),
    async batch(ordinal, logName, first, to, maxReadings) {
      for (let from = first; from <= to; ) {
        // As in BatchMaker: a mapping that is not committed, or that changed meanwhile, would give a number two times.
        const { version } = log.clock;
        const certain = Math.min(to, log.clock.settledBelow(ordinal) - 1);
        if (certain < from) {
          await settle();
          continue;
        }
        const { batch } = await log.keeper.read({
          ...{ log: ordinal, logName, from, to: certain, maxReadings, lane: 'history', between },
          ...{ format: FORMAT, formatOptions: NO_OPTIONS, gateway, sent },
          ...(outlet.outward === undefined ? {} : { filter: { outward: outlet.outward } }),
        });
        if (log.clock.version !== version) continue;
        if (batch === undefined) {
          from = certain + 1;
          continue;
        }
        const { last } = batch;
        for (const lane of ['history', 'data'] as const) outlet.handOver({ log: ordinal, lane, last, clock: version });
        return { ...batch, payload: batch.messages[0]?.payload ?? '' };
      }
      return undefined;
    },
  };
}
