/** What a start makes of the record: a trial in it is over, and a configuration from upstream holds while the file on the board is the same. */
import { digestOf, type Kept, type Last, outcomeOf, type PushRecord } from './record.ts';

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
export function withoutCurrent(record: PushRecord, message: string, time: number): PushRecord {
  const { current: _, ...rest } = setAside(record, message, time);
  return rest;
}

/**
 * As `withoutCurrent`, where this version of the program cannot use the text. The text stays: an update that is rolled back leaves a
 * version that can, and its start takes it again.
 */
export function setAside(record: PushRecord, message: string, time: number): PushRecord {
  const { current, last } = record;
  if (current === undefined || (last?.received === false && last.topic !== undefined)) return record;
  return { ...record, last: known(current, 'replaced', message, time) };
}

/** The configuration from upstream is in force. @returns with what there is to report when it was set aside before */
export function takenAgain(record: PushRecord, time: number): Settled {
  const { current } = record;
  if (current === undefined || !isAside(record)) return { record, notices: [] };
  const message = `Version ${current.version} can be used again and is in force.`;
  return { record: { ...record, last: known(current, 'confirmed', message, time) }, notices: [message] };
}

/** The last start could not use what is kept. */
export const isAside = ({ current, last }: PushRecord): boolean =>
  current !== undefined && last?.outcome === 'replaced' && last.version === current.version;

/** Nobody waits for it as an answer. */
function known({ version, forwarder, key }: Kept, outcome: Last['outcome'], message: string, time: number): Last {
  return { ...outcomeOf({ version, forwarder, key, id: '', owner: '' }, outcome, message, time), received: true };
}
