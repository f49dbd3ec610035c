/**
 * One reader of `/api/v1/tail`. It never holds up the gateway: while it does not keep up, each point keeps its newest
 * reading only, alarms wait up to a bound, and then a line `{"type":"missed",…}` says how many were left out.
 */
import type { Writable } from 'node:stream';
import { TAIL_ALARMS, TAIL_READINGS, TAIL_UNSENT } from './limits.ts';
import { jsonText } from './respond.ts';
import type { TailAlarm, TailItem, TailReading } from './target.ts';

/** What was left out since the last such line: readings replaced by newer ones, and items lost for want of space. */
export interface TailMissed {
  readonly type: 'missed';
  readonly conflated: number;
  readonly dropped: number;
}

export class TailStream {
  readonly #out: Writable;
  readonly #readings = new Map<string, TailReading>();
  #alarms: TailAlarm[] = [];
  #conflated = 0;
  #dropped = 0;
  #behind = false;

  constructor(out: Writable) {
    this.#out = out;
  }

  push(item: TailItem): void {
    if (!this.#behind) {
      this.#write(item);
      return;
    }
    if (item.type === 'alarm') {
      if (this.#alarms.length < TAIL_ALARMS) this.#alarms.push(item);
      else this.#dropped++;
      return;
    }
    const key = `${item.device}.${item.point}`;
    if (this.#readings.delete(key)) this.#conflated++;
    else if (this.#readings.size >= TAIL_READINGS) {
      this.#dropped++;
      return;
    }
    this.#readings.set(key, item);
  }

  #write(item: TailItem | TailMissed): void {
    this.#out.write(`${jsonText(item)}\n`);
    if (this.#behind || this.#out.writableLength < TAIL_UNSENT) return;
    this.#behind = true;
    this.#out.once('drain', () => this.#catchUp());
  }

  #catchUp(): void {
    this.#behind = false;
    const alarms = this.#alarms;
    const readings = [...this.#readings.values()];
    const missed = { type: 'missed', conflated: this.#conflated, dropped: this.#dropped } as const;
    this.#alarms = [];
    this.#readings.clear();
    this.#conflated = 0;
    this.#dropped = 0;
    if (missed.conflated + missed.dropped > 0) this.#write(missed);
    for (const item of [...alarms, ...readings]) this.push(item);
  }
}
