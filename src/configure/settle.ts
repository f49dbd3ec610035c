/** What a start makes of the record: a trial in it is over, and a configuration from upstream holds while the file on the board is the same. */
import { digestOf, type Last, outcomeOf, type PushRecord } from './record.ts';

export interface Settled {
  readonly record: PushRecord;
  /** Sentences for the log and the events. */
  readonly notices: readonly string[];
}

/** @param base the text of the file on the board; undefined: it is broken @param time UTC ms by the clock of the system */
export function settle(found: PushRecord, base: string | undefined, time: number): Settled {
  const notices: string[] = [];
  let record = found;
  if (record.trial !== undefined) {
    const { trial, ...rest } = record;
    const message = `Version ${trial.version} was rolled back: the gateway ended before it had proven itself. The configuration before it is in force.`;
    record = { ...rest, last: outcomeOf(trial, 'rolled-back', message, time) };
    notices.push(message);
  }
  const { current } = record;
  if (current !== undefined && base !== undefined && digestOf(base) !== current.base) {
    const message = `The file on the board was changed and is in force instead of version ${current.version}.`;
    record = withoutCurrent(record, message, time);
    notices.push(message);
  }
  return { record, notices };
}

/** The file on the board is in force. An outcome that upstream has not heard yet stays, where there is a way to tell it. */
export function withoutCurrent({ current, ...rest }: PushRecord, message: string, time: number): PushRecord {
  if (current === undefined || (rest.last?.received === false && rest.last.topic !== undefined)) return rest;
  const { version, forwarder, key } = current;
  const last: Last = { ...outcomeOf({ version, forwarder, key, id: '', owner: '' }, 'replaced', message, time), received: true };
  return { ...rest, last };
}
