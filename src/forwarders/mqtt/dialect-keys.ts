/** The keys of a forwarder that depend on what its dialect can do: compression, and the size of a batch. */
import * as z from 'zod';
import { COMPRESSIONS } from '../../codecs/compress.ts';
import type { Dialect, SettingsFault } from './dialect.ts';

/** Readings of a batch in a dialect that says nothing else. */
export const MOST_READINGS = 10_000;

export const compressKey = () =>
  z
    .enum(['none', ...COMPRESSIONS])
    .prefault('none')
    .describe(
      'Compresses the payloads of `data` and `history`. It pays from some hundred readings on; the receiver must know it. Not for `format: columns`, which is compressed already.',
    );

export function mostReadings(dialects: readonly Dialect[]): number {
  return Math.max(...dialects.map(mostOf));
}
function mostOf(dialect: Dialect): number {
  return (dialect.kind === 'log' ? dialect.maxReadings : undefined) ?? MOST_READINGS;
}

/** Sentences for the reference page. */
export function formatWords(dialects: readonly Dialect[]): string {
  const words = (kind: Dialect['kind']) =>
    dialects.flatMap((d) => (d.kind === kind ? [` \`${d.name}\`: ${d.doc}.`] : [])).join('');
  const live = words('live');
  return `Topics and payloads.${words('log')}${live === '' ? '' : ` Latest values without a backlog.${live}`}`;
}

export function readingsWords(dialects: readonly Dialect[]): string {
  // Not by a locale: its tables take a start 10 ms, and these words are for the reference page.
  const most = (n: number) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
  const larger = dialects.filter((dialect) => mostOf(dialect) > MOST_READINGS);
  const words = larger.map((dialect) => ` of \`${dialect.name}\` ${most(mostOf(dialect))}`).join(',');
  return `At most ${most(MOST_READINGS)}${words === '' ? '' : `,${words}`}.`;
}

/** What the chosen dialect cannot do. */
export function* batchFaults(
  settings: Readonly<Record<string, unknown>>,
  dialects: readonly Dialect[],
): Generator<SettingsFault> {
  const dialect = dialects.find(({ name }) => name === settings.format);
  if (dialect === undefined) return;
  yield* dialect.faults?.(settings) ?? [];
  const { compress } = settings;
  const known: readonly string[] = (dialect.kind === 'log' ? dialect.compress : undefined) ?? [];
  if (typeof compress === 'string' && compress !== 'none' && !known.includes(compress))
    yield {
      path: ['compress'],
      message: `format: ${dialect.name} cannot be compressed${known.length === 0 ? '' : ` by ${compress}`}; write compress: none, or remove it`,
    };
  if (dialect.kind === 'log' && dialect.cleanSession === true && ((settings.sessionExpiry as number | undefined) ?? 0) > 0)
    yield {
      path: ['sessionExpiry'],
      message: `format: ${dialect.name} begins each connection with a new session; remove this`,
    };
  const { maxReadings } = settings.batch as { readonly maxReadings: number };
  if (maxReadings > mostOf(dialect))
    yield {
      path: ['batch', 'maxReadings'],
      message: `a batch of format: ${dialect.name} has at most ${mostOf(dialect)} readings; write that or less`,
    };
}

/** A budget makes short connections: a platform whose sessions have a state of their own would take each for a failure. */
export function* budgetFaults(
  settings: Readonly<Record<string, unknown>>,
  dialects: readonly Dialect[],
): Generator<SettingsFault> {
  if (settings.budget === undefined) return;
  const thrifty = dialects.filter((dialect) => dialect.kind === 'log' && dialect.visits === true).map(({ name }) => name);
  if (!thrifty.includes(String(settings.format)))
    yield {
      path: ['budget'],
      message: `format: ${String(settings.format)} needs a connection that stays; write another format (${thrifty.join(', ')}), or remove this`,
    };
  if (settings.commands !== undefined)
    yield { path: ['budget'], message: 'commands need a connection that stays; remove this, or commands' };
}
