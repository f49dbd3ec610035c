/** Opens what a play is fed with: a file, standard input, or the log of a gateway. */
import { createReadStream, statSync } from 'node:fs';
import { SluiceError } from '../../core/errors.ts';
import { fileWords } from '../file-words.ts';
import { type LogSource, logSource, type SourceOptions } from '../log-source.ts';
import { type CsvOptions, csvSamples } from './csv-recording.ts';
import { jsonSamples } from './jsonl-recording.ts';
import { type Line, linesOf } from './lines.ts';
import type { RecordedSample, Recording, Wanted } from './recording.ts';

/** Bytes of a piece of a file. */
const PIECE = 256 * 1024;

/** @param file `-`: standard input @throws SluiceError not-found, recording */
export function fileRecording(file: string, options: CsvOptions): Recording {
  return samples(pieces(file), options);
}

async function* pieces(file: string): AsyncGenerator<Uint8Array> {
  try {
    if (file !== '-' && statSync(file).isDirectory()) throw new Error('it is a folder');
    yield* file === '-' ? process.stdin : createReadStream(file, { highWaterMark: PIECE });
  } catch (cause) {
    throw new SluiceError('not-found', `${file} cannot be read: ${fileWords(cause)}`, { cause });
  }
}

/** CSV, or JSON lines where the first character is a brace. */
async function* samples(bytes: AsyncIterable<Uint8Array>, options: CsvOptions): AsyncGenerator<RecordedSample> {
  const lines = linesOf(bytes);
  const held: (readonly Line[])[] = [];
  let first: Line | undefined;
  while (first === undefined) {
    const batch = await lines.next();
    if (batch.done === true) return;
    first = batch.value.find(({ text }) => text.trim() !== '');
    // Empty lines alone need not be kept.
    if (first !== undefined) held.push(batch.value);
  }
  const all = again(held, lines);
  yield* first.text.trimStart().startsWith('{') ? jsonSamples(all, options.wanted) : csvSamples(all, options);
}

async function* again<T>(held: readonly T[], rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield* held;
  yield* rest;
}

export interface LogRange {
  readonly from: number;
  readonly to: number;
}

/** The stretch of the log, by the running gateway or from the files of one that does not run. */
export async function logRecording(
  options: SourceOptions,
  rangeOf: (now: number) => LogRange,
  wanted: Wanted,
): Promise<{ readonly recording: Recording; readonly now: number; close(): void }> {
  const source = await logSource(options);
  const now = source.now ?? Date.now();
  const { from, to } = rangeOf(now);
  return { recording: jsonSamples(linesOf(asked(source, from, to, wanted)), wanted), now, close: () => source.close() };
}

/** A point that the log never had is no fault here: its rules are named in the end. */
async function* asked(source: LogSource, from: number, to: number, wanted: Wanted): AsyncGenerator<string> {
  const range = { from, to, format: 'jsonl' } as const;
  let pieces = source.ask({ ...range, points: [...wanted.keys()] });
  let first: IteratorResult<string>;
  try {
    first = await pieces.next();
  } catch (thrown) {
    if (!(thrown instanceof SluiceError) || thrown.code !== 'not-found') throw thrown;
    pieces = source.ask(range);
    first = await pieces.next();
  }
  for (let piece = first; piece.done !== true; piece = await pieces.next()) yield piece.value;
}
