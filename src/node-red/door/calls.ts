/**
 * What clients of the socket for flows ask for and do. Invariants:
 * - what acts goes through the command port, and only as far as nodeRed.grants names it; everything else is refused and reported;
 * - one answer to each call. What acts is done once or not at all, and never again by itself.
 */

import { inTime } from '../../control/remote/in-time.ts';
import type { Command, Principal, Results } from '../../core/commands.ts';
import { SluiceError } from '../../core/errors.ts';
import { plainValue } from '../../core/point.ts';
import type { DoorCounts } from './counts.ts';
import * as limits from './limits.ts';
import { LineTexts } from './line-texts.ts';
import type { Call, HistoryCall } from './lines.ts';
import { isMeant } from './patterns.ts';
import { presentAlarms } from './present.ts';
import { put } from './puts.ts';
import { type LineReading, latestReading } from './readings.ts';
import type { DoorSource, FlowGrants } from './source.ts';
import { Turns } from './turns.ts';

/** All flows are one caller. It has the role that the commands need, as forwarders have it, and may only what the grants name. */
const FLOWS: Principal = { who: 'flows', door: 'node-red', role: 'operator' };

export type Answer = { readonly result: object } | { readonly error: { readonly code: string; readonly message: string } };

export class Calls {
  readonly #source: DoorSource;
  readonly #counts: DoorCounts;
  readonly #commands = new Turns(limits.COMMANDS_AT_ONCE);
  readonly #histories = new Turns(limits.HISTORIES_AT_ONCE);

  constructor(source: DoorSource, counts: DoorCounts) {
    this.#source = source;
    this.#counts = counts;
  }

  /** The answer where it needs no waiting. @param throttled readings of a put were left out */
  now(call: Call, throttled: (dropped: number, why: string) => void): Answer | undefined {
    const source = this.#source;
    switch (call.do) {
      case 'put': {
        const result = put(call.readings, source, this.#counts);
        if (result.leftOut !== undefined)
          throttled(result.leftOut, 'flows give more readings than the device takes in a second (perSecond)');
        return { result };
      }
      case 'latest':
        return { result: { readings: this.#latest(call.points) } };
      case 'alarms':
        return { result: { alarms: [...presentAlarms(source)] } };
      case 'status':
        return { result: source.status() };
      default:
        return undefined;
    }
  }

  /** @param part takes a list of readings of history as JSON, and resolves when there is space for more */
  later(call: Call, part: (readings: string) => Promise<void>, gone: AbortSignal): Promise<object> {
    switch (call.do) {
      case 'history':
        return this.#histories.run(() => this.#history(call, part), gone);
      case 'write': {
        const { point, value, expires } = call;
        return this.#act({ do: 'write', point, value }, 'write', point, expires, gone).then((result) => {
          const { value: shown, type, unit, at, readBack } = result as Results['write'];
          const time = Math.round(at) + this.#source.offset();
          return { point, value: plainValue(shown, type), ...(unit === undefined ? {} : { unit }), time, readBack };
        });
      }
      case 'acknowledge':
        return this.#act(call, 'acknowledge', call.rule, undefined, gone);
      case 'shelve':
      case 'reset':
        return this.#act(call, call.do, call.rule, undefined, gone);
      case 'out-of-service':
      case 'in-service':
        return this.#act(call, 'outOfService', call.rule, undefined, gone);
      default:
        return Promise.reject(new SluiceError('internal', 'this call has its answer at once'));
    }
  }

  async #act(
    command: Command,
    grant: keyof FlowGrants,
    name: string,
    expires: number | undefined,
    gone: AbortSignal,
  ): Promise<object> {
    const { commands, grants } = this.#source;
    try {
      return await this.#commands.run(async () => {
        // The configuration may have changed while it waited.
        const granted = isGranted(grants()[grant], name);
        const begin = (): void => {
          if (!granted) throw notGranted(grant, name);
          inTime(expires, { now: () => this.#source.now(), clockKnown: () => this.#source.clockKnown() });
        };
        const result = await commands.run(command, FLOWS, { begin });
        this.#counts.commands++;
        return result;
      }, gone);
    } catch (thrown) {
      this.#counts.refusedCommands++;
      throw thrown;
    }
  }

  #latest(points: Extract<Call, { do: 'latest' }>['points']): LineReading[] {
    const { latest, clockKnown } = this.#source;
    const known = clockKnown();
    const found = new Map<string, LineReading>();
    for (const one of points) {
      if (one.device === undefined || one.point === undefined) continue;
      const value = latest.get(one.device, one.point);
      if (value !== undefined) found.set(`${one.device}.${one.point}`, latestReading(value, known));
    }
    const wild = points.filter(({ device, point }) => device === undefined || point === undefined);
    if (wild.length > 0)
      for (const value of latest.all()) {
        if (found.size >= limits.MOST_LATEST) break;
        if (isMeant(wild, value.device, value.point)) found.set(`${value.device}.${value.point}`, latestReading(value, known));
      }
    return [...found.values()];
  }

  async #history(call: HistoryCall, part: (readings: string) => Promise<void>): Promise<object> {
    const { device, point, every, most } = call;
    const unit = own(own(this.#source.inventory().devices, device)?.points, point)?.unit;
    let count = 0;
    let truncated = false;
    const texts = new LineTexts();
    for await (const readings of this.#source.history(call)) {
      for (const reading of readings) {
        if (count >= most) {
          truncated = true;
          break;
        }
        count++;
        if (texts.size < limits.PART_READINGS && texts.add(reading)) continue;
        await part(texts.take());
        texts.add(reading);
      }
      if (truncated) break;
    }
    if (texts.size > 0) await part(texts.take());
    return {
      point: `${device}.${point}`,
      ...(unit === undefined ? {} : { unit }),
      ...(every === undefined ? {} : { every }),
      count,
      ...(truncated ? { truncated } : {}),
    };
  }
}

/** A device or point may be called `constructor`. */
function own<T>(map: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Decided by names alone, so that a refusal says nothing of what there is. */
export function isGranted(grants: readonly string[] | undefined, name: string): boolean {
  return (grants ?? []).some((one) => one === '*' || one === name || (one.endsWith('.*') && name.startsWith(one.slice(0, -1))));
}

function notGranted(grant: string, name: string): SluiceError {
  return new SluiceError(
    'forbidden',
    `flows may not ${grant === 'outOfService' ? 'change the service of' : grant} ${name}, since nodeRed.grants.${grant} in the configuration of the gateway does not name it`,
    { data: { sent: false } },
  );
}
