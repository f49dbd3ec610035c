/** Where an export comes from: a running gateway, or the files of one that does not run. It reads in slices and disturbs nothing. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { request, text } from '../admin/client.ts';
import type { GatewayStatus } from '../admin/target.ts';
import { SluiceError } from '../core/errors.ts';
import { HISTORY_FILE } from '../store/files/history-layout.ts';
import { LOG_FILE } from '../store/files/layout.ts';
import { Decoder } from '../store/read/decoder.ts';
import { exportSlice } from '../store/read/export.ts';
import { exportHeader, unknownWords } from '../store/read/export-lines.ts';
import type { LogReader } from '../store/read/reading.ts';
import { timeByLog } from '../store/time/log-time.ts';
import { machineBoot } from '../time/probes.ts';
import { readConfig } from './config-file.ts';
import { openFiles } from './open-files.ts';
import { SOCKET, socketOf, stateDirOf } from './running.ts';
import { lastGoodConfig } from './start-config.ts';

export interface LogQuery {
  /** UTC ms, inclusive. */
  readonly from: number;
  readonly to: number;
  readonly format: 'csv' | 'jsonl';
  readonly every?: number | undefined;
  readonly points?: readonly string[] | undefined;
  /** The transitions of alarms up to `to` instead of readings. */
  readonly alarms?: boolean | undefined;
}

/** A query as it was written on the command line, understood. */
export interface Range extends Omit<LogQuery, 'format'> {
  /** What time it is, UTC ms. */
  readonly now: number;
  /** `from` was written; without it the log is taken from its begin. */
  readonly bounded: boolean;
}

export interface LogSource {
  /** What time it is by the gateway, or by its log, UTC ms; undefined: nobody knows better than the system clock. */
  readonly now: number | undefined;
  /** Id and name of the gateway, where one runs. */
  readonly gateway: { readonly id: string; readonly name?: string | undefined } | undefined;
  /** Whole lines. @throws what the gateway answered, before the first piece */
  ask(query: LogQuery): AsyncIterableIterator<string>;
  close(): void;
}

export interface SourceOptions {
  readonly config: string;
  /** Only the running gateway is asked. */
  readonly socket?: string;
}

/** The time zone of the gateway, as its configuration has it; undefined: that of the system. Where neither answers, nothing is exported either. */
export async function timezoneOf({ config, socket }: SourceOptions): Promise<string | undefined> {
  if (socket === undefined)
    return (readConfig(config, { readSecrets: false }).config ?? lastGoodConfig(config, false).config)?.gateway.timezone;
  return ((await request(socket, 'GET', '/api/v1/status')) as GatewayStatus).gateway.timezone;
}

/** A running gateway answers with what is in its memory as well; without one its files are read. */
export async function logSource(options: SourceOptions): Promise<LogSource> {
  if (options.socket !== undefined) return running(socketOf(options));
  const stateDir = stateDirOf(options.config, [SOCKET, LOG_FILE]);
  const socket = path.join(stateDir, SOCKET);
  if (!existsSync(socket)) return files(stateDir);
  try {
    return await running(socket);
  } catch (thrown) {
    // The socket of a gateway that was killed: its files are read. Half an answer is a fault.
    if (thrown instanceof SluiceError && thrown.code === 'not-running') return files(stateDir);
    throw thrown;
  }
}

async function running(socket: string): Promise<LogSource> {
  const { gateway } = (await request(socket, 'GET', '/api/v1/status')) as GatewayStatus;
  return {
    now: gateway.time,
    gateway: { id: gateway.id, name: gateway.name },
    ask: ({ from, to, format, every, points, alarms }) =>
      text(
        socket,
        `/api/v1/export?${new URLSearchParams({
          from: new Date(from).toISOString(),
          to: new Date(Math.min(to, 8.64e15)).toISOString(),
          format,
          ...(every === undefined ? {} : { every: `${every}ms` }),
          ...(points === undefined ? {} : { points: points.join(',') }),
          ...(alarms === true && { what: 'alarms' }),
        })}`,
      ),
    close: () => {},
  };
}

function files(stateDir: string): LogSource {
  const { reader, fault } = openFiles(stateDir);
  if (fault !== undefined)
    complain(`${path.join(stateDir, HISTORY_FILE)} cannot be read (${fault}): only the newest readings are exported`);
  const machine = machineBoot();
  return {
    now: machine === undefined ? undefined : timeByLog(reader, machine, performance.now()),
    gateway: undefined,
    ask: (query) => read(reader, query),
    close: () => reader.close(),
  };
}

async function* read(reader: LogReader, query: LogQuery): AsyncGenerator<string, void, undefined> {
  const decoder = new Decoder(({ first, last, readings }) =>
    complain(`records ${first} to ${last} (${readings} readings) are damaged and left out`),
  );
  for (let after: number | undefined = 0; after !== undefined; ) {
    const steps = exportSlice(reader, decoder, { id: 0, after, ...query });
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    const { text, next, unknown } = step.value;
    if (unknown !== undefined) throw new SluiceError('not-found', unknownWords(unknown));
    yield after === 0 ? exportHeader(query.format, query.every) + text : text;
    after = next;
  }
}

function complain(words: string): void {
  process.stderr.write(`sluice: ${words}\n`);
  process.exitCode = 1;
}
