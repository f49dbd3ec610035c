/** What a metric is, and the kinds of rows that the tables of metrics are made of. */
import type { ProcessStatus } from './process-meter.ts';
import type { GatewayStatus } from './target.ts';

export interface StatusReport extends GatewayStatus {
  readonly process: ProcessStatus;
}

export type Labels = Readonly<Record<string, string>>;
export type Sample = readonly [labels: Labels, value: number | null | undefined];

export interface Metric {
  /** The name of the family, without `_total` and `_info`. */
  readonly name: string;
  readonly type: 'gauge' | 'counter' | 'info';
  /** Where given, the name ends with it. */
  readonly unit?: 'seconds' | 'bytes' | 'ratio' | undefined;
  readonly labels: readonly string[];
  readonly help: string;
  readonly read: (report: StatusReport) => Iterable<Sample>;
}

export const one = (value: number | null | undefined): Sample[] => [[{}, value]];
export const flag = (on: boolean): number => (on ? 1 : 0);
export const seconds = (ms: number): number => ms / 1000;

export type Read<T> = (item: T, report: StatusReport) => number | null | undefined;

export function single(
  name: string,
  type: 'gauge' | 'counter',
  help: string,
  read: (r: StatusReport) => number | null | undefined,
): Metric {
  return { name, type, unit: unitOf(name), labels: [], help, read: (r) => one(read(r)) };
}
export function unitOf(name: string): Metric['unit'] {
  return (['seconds', 'bytes', 'ratio'] as const).find((unit) => name.endsWith(`_${unit}`));
}
