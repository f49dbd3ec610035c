/**
 * `data` of the embedded broker: the same batches as upstream, from memory. What leaves here is handed over: its content
 * is fixed, and it waits for the clock as data upstream does.
 */
import { jsonBatch } from '../../codecs/format-json.ts';
import type { GatewayConfig } from '../../config/kinds.ts';
import type { Clock } from '../../core/clock.ts';
import type { LogRecord } from '../../core/point.ts';
import type { Log } from '../../store/log.ts';
import type { ClockWatch } from '../../time/watch.ts';

interface View {
  readonly config: GatewayConfig;
  readonly clock: Clock;
  readonly startedAt: number;
  readonly boot: string;
  readonly log: Log;
  readonly watch: ClockWatch;
}

export class LiveBatches {
  readonly #gateway: View;

  constructor(gateway: View) {
    this.#gateway = gateway;
  }

  /** One payload for each run of records under one inventory and one clock mapping; undefined while they have to wait. */
  encode(records: readonly LogRecord[]): string[] | undefined {
    const { config, clock, startedAt, boot, log, watch } = this.#gateway;
    if (!watch.known && clock.monotonic() - startedAt < config.gateway.clockHold) return undefined;
    const [oldest, newest] = [records[0], records.at(-1)];
    if (oldest === undefined || newest === undefined) return [];
    const payloads: string[] = [];
    for (let i = 0; i < records.length; ) {
      const first = (records[i] as LogRecord).seq;
      const mapping = log.clock.of(first);
      // Not committed yet: a moment later it is.
      if (mapping === undefined) return undefined;
      const inventory = log.inventoryOf(first);
      let end = i + 1;
      while (
        end < records.length &&
        log.clock.of((records[end] as LogRecord).seq) === mapping &&
        log.inventoryOf((records[end] as LogRecord).seq) === inventory
      )
        end++;
      const run = records.slice(i, end);
      const { offset, estimated } = mapping;
      payloads.push(
        jsonBatch({
          ...{
            lane: 'data',
            gateway: config.gateway.id,
            log: log.id,
            boot,
            inventory,
            sent: Math.round(clock.monotonic()) + watch.offset,
            offset,
            estimated,
          },
          records: run,
        }),
      );
      i = end;
    }
    return log.live.handOver(oldest.seq, newest.seq) ? payloads : undefined;
  }
}
