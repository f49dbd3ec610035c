/** A recording in CSV: an export of the log, a list, or a spreadsheet. */
import { GOOD, qualityOf } from '../../core/reasons.ts';
import { qualityCell, timeCell, valueCell } from './cells.ts';
import { columnsOf, type HeaderOptions, type ListColumns, type WideColumns } from './csv-columns.ts';
import { type Row, Rows, type Separator, separatorOf } from './csv-rows.ts';
import { atLine, type Line } from './lines.ts';
import type { Recorded, RecordedSample, Wanted } from './recording.ts';

export interface CsvOptions extends HeaderOptions {
  /** The offset of times that have none. */
  readonly offset: string | undefined;
  /** Headings that are no point. */
  readonly onIgnored: (headings: readonly string[]) => void;
}

/** @throws SluiceError recording */
export async function* csvSamples(lines: AsyncIterable<readonly Line[]>, options: CsvOptions): AsyncGenerator<RecordedSample> {
  let table: Table | undefined;
  let rows: Rows | undefined;
  let separator: Separator | undefined;
  for await (const batch of lines)
    for (const line of batch) {
      if (rows === undefined) {
        // A spreadsheet may say its separator first.
        const said = /^sep=(.)$/i.exec(line.text)?.[1];
        if (said !== undefined || line.text.trim() === '') {
          if (said !== undefined) separator = said as Separator;
          continue;
        }
        separator ??= separatorOf(line.text);
        rows = new Rows(separator);
      }
      const row = rows.take(line);
      if (row === undefined) continue;
      if (table === undefined) {
        table = tableOf(row, separator as Separator, options);
        continue;
      }
      const sample = table.take(row);
      if (sample !== undefined) yield sample;
    }
  rows?.end();
  const last = table?.end();
  if (last !== undefined) yield last;
}

interface Table {
  take(row: Row): RecordedSample | undefined;
  end(): RecordedSample | undefined;
}

function tableOf({ cells, line }: Row, separator: Separator, options: CsvOptions): Table {
  const columns = columnsOf(cells, line, options);
  // Between commas a decimal comma cannot be told from a separator.
  const comma = separator !== ',';
  const read: Reader = { offset: options.offset, comma, width: cells.length, wanted: options.wanted };
  if (columns.kind === 'list') return new List(columns, read);
  if (columns.ignored.length > 0) options.onIgnored(columns.ignored);
  return new Wide(columns, read);
}

interface Reader {
  readonly offset: string | undefined;
  readonly comma: boolean;
  readonly width: number;
  readonly wanted: Wanted;
}

function checkWidth({ cells, line }: Row, { width }: Reader): void {
  if (cells.length === width || cells.slice(width).every((cell) => cell.trim() === '')) return;
  throw atLine(
    line,
    `it has ${cells.length} columns, and the first row has ${width}; a number with a comma needs ";" between the columns`,
  );
}

class Wide implements Table {
  readonly #columns: WideColumns;
  readonly #read: Reader;

  constructor(columns: WideColumns, read: Reader) {
    this.#columns = columns;
    this.#read = read;
  }

  take(row: Row): RecordedSample | undefined {
    const { cells, line } = row;
    if (cells.length > this.#read.width) checkWidth(row, this.#read);
    const cell = cells[this.#columns.time] ?? '';
    if (cell === '' && cells.every((text) => text.trim() === '')) return undefined;
    const { time, estimated } = timeCell(cell, line, this.#read.offset);
    const readings: Recorded[] = [];
    for (const { index, point, quality } of this.#columns.points) {
      const text = cells[index] ?? '';
      const reason = quality === undefined ? GOOD : qualityOfCell(cells[quality] ?? '', line);
      if (qualityOf(reason) === 'bad') readings.push({ device: point.device, point: point.name, value: undefined, reason });
      else if (text.trim() !== '') {
        const found = valueCell(text, point, line, this.#read.comma);
        readings.push({ device: point.device, point: point.name, value: found.value, reason: found.reason || reason });
      }
    }
    return { time, line, boot: undefined, estimated, readings };
  }

  end(): undefined {}
}

/** The quality of a value beside it: a word, or a reason alone. */
function qualityOfCell(cell: string, line: number): number {
  return /^\s*(good|uncertain|bad)?\s*$/i.test(cell) ? qualityCell(cell, '', line) : qualityCell('', cell, line);
}

/** Rows of one record are one sample. */
class List implements Table {
  readonly #columns: ListColumns;
  readonly #read: Reader;
  #open: { key: string; sample: RecordedSample & { readonly readings: Recorded[] } } | undefined;

  constructor(columns: ListColumns, read: Reader) {
    this.#columns = columns;
    this.#read = read;
  }

  take(row: Row): RecordedSample | undefined {
    const { cells, line } = row;
    const c = this.#columns;
    const cell = (index: number | undefined): string => (index === undefined ? '' : (cells[index] ?? ''));
    checkWidth(row, this.#read);
    const name = c.device === undefined ? cell(c.point).trim() : `${cell(c.device).trim()}.${cell(c.point).trim()}`;
    const point = this.#read.wanted.get(name);
    const { time, estimated } = timeCell(cell(c.time), line, this.#read.offset);
    const key = c.seq === undefined ? '' : `${cell(c.log)} ${cell(c.seq)}`;
    const same = key !== '' && this.#open?.key === key;
    const done = same ? undefined : this.#open?.sample;
    if (!same || this.#open === undefined)
      this.#open = {
        key,
        sample: { time, line, boot: c.boot === undefined ? undefined : cell(c.boot), estimated, readings: [] },
      };
    if (point === undefined) return done;
    const reason = qualityCell(cell(c.quality), cell(c.reason), line);
    const readings = this.#open.sample.readings;
    if (qualityOf(reason) === 'bad') readings.push({ device: point.device, point: point.name, value: undefined, reason });
    else if (cell(c.value) !== '' || point.storage === 'string') {
      const found = valueCell(cell(c.value), point, line, this.#read.comma);
      readings.push({ device: point.device, point: point.name, value: found.value, reason: found.reason || reason });
    }
    return done;
  }

  end(): RecordedSample | undefined {
    return this.#open?.sample;
  }
}
