/** Where a bundle is played to: a broker, a database, a table as text. */
import type { Section } from '../../codecs/bundle/container.ts';
import { isLog, type Statement } from '../../codecs/bundle/statement.ts';
import type { Batch } from '../../codecs/format.ts';
import { readColumns } from '../../codecs/read-columns.ts';
import { SluiceError } from '../../core/errors.ts';

/** What an import added. */
export interface Added {
  readonly records: number;
  readonly notices: number;
}

/** Alarms and events as their topics carry them. */
export interface Notice {
  readonly kind: 'alarm' | 'event';
  readonly log: string;
  readonly seq: number;
  /** The rule, or the word of the event. */
  readonly name: string;
  readonly time: number;
  readonly json: string;
}

/** One bundle on its way into a target. Nothing of it counts before `commit`, except at a broker. */
export interface Play {
  batch(batch: Batch, kind: 'data' | 'history' | 'range'): Promise<void> | void;
  notice(notice: Notice): Promise<void> | void;
  inventory(json: string): Promise<void> | void;
  /** Durable when it resolves. */
  commit(): Promise<Added> | Added;
  /** After a fault. */
  abandon(): void;
}

export interface Target {
  /** For people. */
  readonly name: string;
  begin(statement: Statement): Promise<Play> | Play;
  close(): Promise<void> | void;
}

/** @throws SluiceError bundle-refused: the section is not what its kind says */
export async function playSection(play: Play, { kind, body }: Section, gateway: string): Promise<void> {
  if (kind === 'data' || kind === 'history' || kind === 'range') {
    const batch = readColumns(body, kind === 'data' ? 'data' : 'history');
    // What a gateway signs for is its own.
    if (batch.gateway !== gateway) throw new SluiceError('bundle-refused', `the bundle has records of ${batch.gateway}`);
    return play.batch(batch, kind);
  }
  const json = Buffer.from(body).toString();
  if (kind === 'inventory') return play.inventory(json);
  return play.notice(noticeOf(kind, json));
}

function noticeOf(kind: 'alarm' | 'event', json: string): Notice {
  const found = parsed(json);
  const { log, seq, time } = found;
  const name = kind === 'alarm' ? found.rule : found.event;
  const known = isLog(log) && Number.isSafeInteger(seq) && typeof name === 'string' && typeof time === 'number';
  if (!known || !/^[a-z0-9][a-z0-9_-]{0,127}$/.test(name))
    throw new SluiceError('bundle-refused', `the bundle has a damaged ${kind}`);
  return { kind, log, seq: seq as number, name, time, json };
}
function parsed(json: string): Record<string, unknown> {
  try {
    return (JSON.parse(json) as Record<string, unknown> | null) ?? {};
  } catch {
    return {};
  }
}
