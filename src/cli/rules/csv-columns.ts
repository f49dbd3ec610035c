/** What the columns of a table are: of an export of the log, of a list of values, or of a spreadsheet with a column for each point. */
import { SluiceError } from '../../core/errors.ts';
import { shown } from './cells.ts';
import { atLine } from './lines.ts';
import type { Wanted, WantedPoint } from './recording.ts';

/** One value a row: `device` and `point`, or the whole name in `point`. */
export interface ListColumns {
  readonly kind: 'list';
  readonly time: number;
  readonly device: number | undefined;
  readonly point: number;
  readonly value: number;
  readonly quality: number | undefined;
  readonly reason: number | undefined;
  /** Rows of one record have the same. */
  readonly log: number | undefined;
  readonly seq: number | undefined;
  readonly boot: number | undefined;
}

/** One time a row, one column a point. */
export interface WideColumns {
  readonly kind: 'wide';
  readonly time: number;
  readonly points: readonly { readonly index: number; readonly point: WantedPoint; readonly quality: number | undefined }[];
  /** Headings of which no point is known. */
  readonly ignored: readonly string[];
}

export interface HeaderOptions {
  readonly wanted: Wanted;
  /** Points by the heading that somebody gave them. */
  readonly map: ReadonlyMap<string, string>;
}

const TIME_NAMES = new Set(['time', 'timestamp', 'datetime', 'date time', 'date/time', 'date', 'ts']);
/** Names in a message. */
const SHOWN = 8;

/** @throws SluiceError recording */
export function columnsOf(cells: readonly string[], line: number, options: HeaderOptions): ListColumns | WideColumns {
  const names = cells.map(normal);
  const at = (name: string): number | undefined => {
    const index = names.indexOf(name);
    return index === -1 ? undefined : index;
  };
  const time = names.findIndex((name) => TIME_NAMES.has(name));
  if (time === -1)
    throw atLine(
      line,
      `the first row names the columns, and none of them is "time" (found: ${list(cells)}). Name the column of the times "time"`,
    );
  if (names.includes('date') && names.includes('time') && names[time] === 'date')
    throw atLine(line, 'date and time stand in two columns. Write them in one column, as 2026-11-25T10:00:00+06:00');
  const [point, value] = [at('point'), at('value')];
  if (point !== undefined && value !== undefined)
    return {
      ...{ kind: 'list', time, device: at('device'), point, value, quality: at('quality'), reason: at('reason') },
      ...{ log: at('log'), seq: at('seq'), boot: at('boot') },
    };
  if (point !== undefined && at('mean') !== undefined)
    throw atLine(line, 'these are minima, means and maxima (--every). Rules need the readings: export without --every');
  return wide(cells, time, line, options);
}

function wide(cells: readonly string[], time: number, line: number, { wanted, map }: HeaderOptions): WideColumns {
  const found = new Map<number, WantedPoint>();
  const ignored: string[] = [];
  const qualities = new Map<string, number>();
  cells.forEach((cell, index) => {
    if (index === time || cell.trim() === '') return;
    const name = normal(cell);
    const of = /^(.*?)[ .:]quality$/.exec(name)?.[1];
    const point = pointOf(cell, of ?? name, wanted, map, line);
    if (point === undefined) ignored.push(cell);
    else if (of !== undefined) qualities.set(nameOf(point), index);
    else {
      const other = [...found].find(([, known]) => known === point);
      if (other !== undefined)
        throw atLine(line, `the columns ${other[0] + 1} and ${index + 1} are both ${nameOf(point)}; remove one`);
      found.set(index, point);
    }
  });
  if (found.size === 0)
    throw atLine(
      line,
      `no column is a point of a rule (found: ${list(cells)}). Name the columns ${list([...wanted.keys()])}, or say which is which: --map "${shown(cells.find((c, i) => i !== time && c !== '') ?? 'column')}=${[...wanted.keys()][0] ?? 'device.point'}"`,
    );
  const points = [...found].map(([index, point]) => ({ index, point, quality: qualities.get(nameOf(point)) }));
  return { kind: 'wide', time, points, ignored };
}

/** A heading is `fridge.temperature`, `temperature` where only one device has that, or what `map` says; a unit may follow. */
function pointOf(
  cell: string,
  name: string,
  wanted: Wanted,
  map: ReadonlyMap<string, string>,
  line: number,
): WantedPoint | undefined {
  const mapped = map.get(cell.trim());
  if (mapped !== undefined) return wanted.get(mapped);
  const whole = wanted.get(name);
  if (whole !== undefined) return whole;
  const same = [...wanted.values()].filter((point) => point.name === name);
  if (same.length > 1) throw atLine(line, `the column ${shown(cell)} may be ${list(same.map(nameOf))}; write the whole name`);
  return same[0];
}

/** In lower case, without a unit in brackets. */
function normal(cell: string): string {
  return cell
    .trim()
    .toLowerCase()
    .replace(/\s*[[(][^\])]*[\])]$/, '');
}

function nameOf({ device, name }: WantedPoint): string {
  return `${device}.${name}`;
}

function list(names: readonly string[]): string {
  const some = names.slice(0, SHOWN).map(shown).join(', ');
  return names.length > SHOWN ? `${some} and ${names.length - SHOWN} more` : some;
}

/** `Temp °C=fridge.temperature` @throws SluiceError usage */
export function mapOf(written: readonly string[], wanted: Wanted): Map<string, string> {
  return new Map(
    written.map((text) => {
      const at = text.lastIndexOf('=');
      const [column, point] = [text.slice(0, at).trim(), text.slice(at + 1).trim()];
      if (at < 1 || point === '') throw new SluiceError('usage', `--map ${shown(text)}: write --map "column=device.point"`);
      if (!wanted.has(point))
        throw new SluiceError(
          'usage',
          `--map ${shown(text)}: no rule looks at ${shown(point)}; the points are ${list([...wanted.keys()])}`,
        );
      return [column, point];
    }),
  );
}
