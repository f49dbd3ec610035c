/** Lines of an export: CSV and JSON lines, readings and buckets. */
import type { ShapeColumns } from '../../codecs/blocks.ts';
import { type PointInfo, plainValue, type Value } from '../../core/point.ts';
import { ABSENT, qualityOf, reasonName } from '../../core/reasons.ts';
import { bootName } from '../files/layout.ts';
import type { Mapping } from '../time/clock-segments.ts';
import type { Bucket } from './buckets.ts';

export type ExportFormat = 'csv' | 'jsonl';

/** The text before the first line. */
export function exportHeader(format: ExportFormat, every: number | undefined): string {
  if (format === 'jsonl') return '';
  return every === undefined
    ? 'log,seq,boot,device,point,time,value,unit,quality,reason\n'
    : 'time,point,min,mean,max,count,bad\n';
}

/** @param names neither devices nor points of the log */
export function unknownWords(names: readonly string[]): string {
  return `the log has no readings of ${names.join(', ')}: write a device or device.point; \`sluice status\` names the devices`;
}

/** Where a record comes from. */
export interface Origin {
  readonly log: string;
  readonly boot: number;
}

/** @param keep by point; undefined: all @returns nothing when the record has no reading of a wanted point */
export function recordLines(
  format: ExportFormat,
  origin: Origin,
  columns: ShapeColumns,
  m: number,
  clock: Mapping,
  keep: readonly boolean[] | undefined,
): string {
  return format === 'csv' ? csvLines(origin, columns, m, clock, keep) : jsonLine(origin, columns, m, clock, keep);
}

function csvLines(
  { log, boot }: Origin,
  columns: ShapeColumns,
  m: number,
  clock: Mapping,
  keep: readonly boolean[] | undefined,
): string {
  const { shape, seqs, ats, reasons } = columns;
  const head = `${log},${seqs[m]},${bootName(boot)},${shape.device},`;
  const time = isoTime((ats[m] as number) + clock.offset, clock.estimated);
  let text = '';
  shape.points.forEach((p: PointInfo, i) => {
    const reason = reasons === undefined ? 0 : ((reasons[i] as Uint8Array)[m] as number);
    if (reason === ABSENT || keep?.[i] === false) return;
    const quality = qualityOf(reason);
    const value = quality === 'bad' ? '' : csvCell(columns.column(i)[m]);
    text += `${head}${p.name},${time},${value},${csvCell(p.unit ?? '')},${quality},${reason === 0 ? '' : reasonName(reason)}\n`;
  });
  return text;
}

/** A cell that begins like a formula is quoted with an apostrophe, so that a spreadsheet does not run it. */
export function csvCell(value: unknown): string {
  if (typeof value !== 'string') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
export function isoTime(time: number, estimated: boolean): string {
  return `${new Date(time).toISOString()}${estimated ? '?' : ''}`;
}

function jsonLine(
  { log, boot }: Origin,
  columns: ShapeColumns,
  m: number,
  clock: Mapping,
  keep: readonly boolean[] | undefined,
): string {
  const { shape, seqs, ats, reasons } = columns;
  const values: Record<string, unknown> = {};
  const bad: Record<string, string> = {};
  const uncertain: Record<string, string> = {};
  let any = keep === undefined;
  shape.points.forEach((p, i) => {
    const reason = reasons === undefined ? 0 : ((reasons[i] as Uint8Array)[m] as number);
    if (reason === ABSENT || keep?.[i] === false) return;
    any = true;
    const quality = qualityOf(reason);
    const value = columns.column(i)[m];
    if (quality === 'bad') bad[p.name] = reasonName(reason);
    else values[p.name] = plainValue(value as Value, p.type);
    if (quality === 'uncertain') uncertain[p.name] = reasonName(reason);
  });
  if (!any) return '';
  const line = {
    log,
    seq: seqs[m],
    boot: bootName(boot),
    device: shape.device,
    time: (ats[m] as number) + clock.offset,
    values,
    ...(Object.keys(bad).length > 0 ? { bad } : {}),
    ...(Object.keys(uncertain).length > 0 ? { uncertain } : {}),
    ...(clock.estimated ? { clock: 'estimated' } : {}),
  };
  return `${JSON.stringify(line)}\n`;
}

/** @param point `device.point` @param unit for JSON; CSV has no column for it */
export function bucketLine(format: ExportFormat, point: string, unit: string | undefined, bucket: Bucket): string {
  const { time, min, mean, max, count, bad, estimated } = bucket;
  if (format === 'csv') {
    const cells = [min, mean, max].map((v) => (Number.isNaN(v) ? '' : String(v)));
    return `${isoTime(time, estimated)},${point},${cells.join(',')},${count},${bad}\n`;
  }
  const number = (v: number) => (Number.isNaN(v) ? null : v);
  const line = {
    time,
    point,
    min: number(min),
    mean: number(mean),
    max: number(max),
    count,
    bad,
    ...(unit !== undefined && { unit }),
  };
  return `${JSON.stringify(estimated ? { ...line, clock: 'estimated' } : line)}\n`;
}
