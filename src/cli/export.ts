/** `sluice export`: of a running gateway, or of the files of one that does not run; in slices, it disturbs nothing. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { request, text } from '../admin/client.ts';
import type { GatewayStatus } from '../admin/target.ts';
import { SluiceError } from '../core/errors.ts';
import { isAgo, parseStep, parseTime, STEP_WORDS, TIME_WORDS } from '../core/times.ts';
import { HISTORY_FILE } from '../store/files/history-layout.ts';
import { Decoder } from '../store/read/decoder.ts';
import { exportSlice } from '../store/read/export.ts';
import { exportHeader, unknownWords } from '../store/read/export-lines.ts';
import type { LogReader } from '../store/read/reading.ts';
import { timeByLog } from '../store/time/log-time.ts';
import { machineBoot } from '../time/probes.ts';
import { onOutputFault } from './exit.ts';
import { ExportProgress } from './export-progress.ts';
import { localDate } from './local-time.ts';
import { openFiles } from './open-files.ts';
import { socketOf, stateDirOf } from './running.ts';

export interface ExportOptions {
  readonly config: string;
  /** Only the running gateway is asked. */
  readonly socket?: string;
  readonly from?: string;
  readonly to?: string;
  readonly format: 'csv' | 'jsonl';
  readonly every?: string;
  readonly points?: string;
  readonly quiet?: boolean;
}
/** A difference of clocks from this on is reported, milliseconds. */
const APART = 60_000;

interface Query {
  /** What time it is, UTC ms. */
  readonly now: number;
  readonly from: number;
  readonly to: number;
  readonly format: 'csv' | 'jsonl';
  readonly every: number | undefined;
  readonly points: readonly string[] | undefined;
}

/** What is asked for, and its answer. */
interface Answer {
  readonly query: Query;
  readonly pieces: AsyncIterable<string>;
}

export async function exportLog(options: ExportOptions): Promise<void> {
  // Before anything is opened: what was written is understood, whatever the time is.
  queryOf(options, Date.now());
  const stateDir = options.socket === undefined ? stateDirOf(options.config) : undefined;
  const { query, pieces } =
    stateDir === undefined ? await asked(socketOf(options), options) : await fromWherever(stateDir, options);
  // A bar between the lines of a terminal would only disturb.
  const shown = process.stderr.isTTY === true && process.stdout.isTTY !== true && options.quiet !== true;
  const progress = shown ? new ExportProgress(process.stderr, query.from, Math.min(query.to, query.now)) : undefined;
  try {
    for await (const piece of pieces) {
      await write(piece);
      progress?.took(piece);
    }
  } finally {
    progress?.end();
  }
}

/** @param now what `24h` counts back from, UTC ms */
function queryOf(options: ExportOptions, now: number): Query {
  const query: Query = {
    now,
    from: timeOf(options.from, now, 0),
    to: timeOf(options.to, now, Number.MAX_SAFE_INTEGER),
    format: options.format,
    every: everyOf(options.every),
    points: options.points?.split(',').filter((p) => p !== ''),
  };
  if (query.from > query.to) throw new SluiceError('usage', '--from is later than --to');
  return query;
}

/** Counts back from the gateway's time, which the system clock may not have, and says so where it does not. */
function queryAt(options: ExportOptions, now: number | undefined): Query {
  const system = Date.now();
  const counts = [options.from, options.to].some((text) => text !== undefined && isAgo(text));
  if (now !== undefined && counts && Math.abs(now - system) > APART)
    process.stderr.write(
      `sluice: it is ${localDate(now)} for the gateway, and ${localDate(system)} for the system clock; times are counted back from the time of the gateway\n`,
    );
  return queryOf(options, now ?? system);
}

/** A running gateway answers with what is in its memory as well; without one its files are read. */
async function fromWherever(stateDir: string, options: ExportOptions): Promise<Answer> {
  const socket = path.join(stateDir, 'sluice.sock');
  if (!existsSync(socket)) return fromFiles(stateDir, options);
  try {
    return await asked(socket, options);
  } catch (thrown) {
    // The socket of a gateway that was killed: its files are read. Half an answer is a fault.
    if (thrown instanceof SluiceError && thrown.code === 'not-running') return fromFiles(stateDir, options);
    throw thrown;
  }
}

/** @throws what the gateway answered, before the first piece */
async function asked(socket: string, options: ExportOptions): Promise<Answer> {
  const { gateway } = (await request(socket, 'GET', '/api/v1/status')) as GatewayStatus;
  const query = queryAt(options, gateway.time);
  const search = new URLSearchParams({
    from: new Date(query.from).toISOString(),
    to: new Date(Math.min(query.to, 8.64e15)).toISOString(),
    format: query.format,
    ...(query.every === undefined ? {} : { every: `${query.every}ms` }),
    ...(query.points === undefined ? {} : { points: query.points.join(',') }),
  });
  const pieces = text(socket, `/api/v1/export?${search}`);
  const first = await pieces.next();
  const all = async function* () {
    if (first.done !== true) yield first.value;
    yield* pieces;
  };
  return { query, pieces: all() };
}

function fromFiles(stateDir: string, options: ExportOptions): Answer {
  const { reader, fault } = openFiles(stateDir);
  if (fault !== undefined)
    complain(`${path.join(stateDir, HISTORY_FILE)} cannot be read (${fault}): only the newest readings are exported`);
  const machine = machineBoot();
  const now = machine === undefined ? undefined : timeByLog(reader, machine, performance.now());
  const query = queryAt(options, now);
  return { query, pieces: read(reader, query) };
}

async function* read(reader: LogReader, query: Query): AsyncGenerator<string> {
  try {
    const decoder = new Decoder(({ first, last, readings }) =>
      complain(`records ${first} to ${last} (${readings} readings) are damaged and left out`),
    );
    for (let after: number | undefined = 0; after !== undefined; ) {
      const { from, to, format, every, points } = query;
      const steps = exportSlice(reader, decoder, { id: 0, after, from, to, format, every, points });
      let step = steps.next();
      while (step.done !== true) step = steps.next();
      const { text, next, unknown } = step.value;
      if (unknown !== undefined) throw new SluiceError('not-found', unknownWords(unknown));
      yield after === 0 ? exportHeader(query.format, query.every) + text : text;
      after = next;
    }
  } finally {
    reader.close();
  }
}

function complain(words: string): void {
  process.stderr.write(`sluice: ${words}\n`);
  process.exitCode = 1;
}

function timeOf(text: string | undefined, now: number, otherwise: number): number {
  if (text === undefined) return otherwise;
  const time = parseTime(text, now);
  if (time === undefined) throw new SluiceError('usage', `"${text}" is no time: ${TIME_WORDS}`);
  return time;
}

function everyOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const every = parseStep(text);
  if (every === undefined) throw new SluiceError('usage', `--every ${text}: ${STEP_WORDS}`);
  return every;
}

/** Waits while the reader of the output is slower. */
function write(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, (error) => {
      if (error === null || error === undefined) resolve();
      else onOutputFault(error);
    });
  });
}
