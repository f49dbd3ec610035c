/** The chart of an export: asks the log how far it reaches, chooses a step that the chart has room for, collects, draws. */
import type { GatewayConfig } from '../../config/kinds.ts';
import { SluiceError } from '../../core/errors.ts';
import { formatDuration } from '../../core/units.ts';
import { bucketWidth } from '../../store/read/buckets.ts';
import { configInForce } from '../in-force.ts';
import type { LogQuery, LogSource, Range, SourceOptions } from '../log-source.ts';
import { limitsOf as ruleLimits } from '../rules/limits.ts';
import { AlarmSpans } from './alarm-spans.ts';
import { type AlarmSpan, type Bucket, type Chart, type LimitLine, MAX_BUCKETS, MAX_PANELS, type Panel } from './chart.ts';
import { drawChart } from './draw.ts';
import { shortened } from './svg.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 86_400_000;
/** Buckets of a point where nobody asked for a step. */
const AIM = 360;
/** For a longer range the log is asked first how far it reaches; this span is then looked at by the minute. */
const LONG = 2 * DAY;

interface Row extends Bucket {
  readonly point: string;
  readonly unit?: string;
  readonly clock?: string;
}

/** @throws SluiceError usage, not-found */
export async function chartOf(source: LogSource, range: Range, options: SourceOptions): Promise<string> {
  const config = options.socket === undefined ? configInForce(options.config, false) : undefined;
  if (config === undefined)
    tell('limits and alarms are not drawn: rules stand in the configuration. Name it with -c instead of --socket');
  const { from, to } = await reachOf(source, range);
  const width = widthOf(range.every, to - from);
  const { panels, estimated } = await collect(source, { from, to: to - 1, every: width, points: range.points });
  const rules = [...(config?.rules.values() ?? [])];
  const watched = new Map(rules.map((rule) => [rule.name, `${rule.device}.${rule.point}`]));
  const alarms = config === undefined ? new Map() : await alarmsOf(source, from, to, new Set(watched.keys()));
  const chart: Chart = {
    ...{ title: titleOf(source, config), from, to, width, estimated },
    panels: [...panels].map(
      ([point, { unit, buckets }]): Panel => ({
        ...{ point, unit, buckets, limits: limitsOf(config, point), boolean: isBoolean(config, point) },
        alarms: [...watched]
          .flatMap(([rule, of]): readonly AlarmSpan[] => (of === point ? (alarms.get(rule) ?? []) : []))
          .sort((a, b) => a.from - b.from),
      }),
    ),
  };
  return drawChart(chart);
}

function tell(words: string): void {
  process.stderr.write(`sluice: ${words}\n`);
}

/** What the chart spans: what was asked for, but not more than the log has before. */
async function reachOf(source: LogSource, range: Range): Promise<{ from: number; to: number }> {
  const asked = { from: range.from, to: Math.min(range.to, range.now) };
  if (range.bounded && asked.to - asked.from <= LONG) return { ...asked, to: Math.max(asked.to, asked.from + SECOND) };
  const days = await spanOf(source, range, asked, DAY);
  if (range.bounded) return { from: Math.max(asked.from, days.from), to: Math.max(asked.to, days.from + SECOND) };
  const found = days.to - days.from <= LONG ? await spanOf(source, range, days, MINUTE) : days;
  return { from: Math.max(asked.from, found.from), to: Math.max(Math.min(asked.to, found.to), found.from + SECOND) };
}

/** From the first bucket that has something to the end of the last. */
async function spanOf(source: LogSource, { points }: Range, { from, to }: { from: number; to: number }, every: number) {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for await (const row of rows(source, { from, to, every, points })) {
    first = Math.min(first, row.time);
    last = Math.max(last, row.time);
  }
  if (first > last)
    throw new SluiceError('not-found', 'the log has no readings in this time; choose another with --from and --to');
  return { from: first, to: last + every };
}

function widthOf(every: number | undefined, span: number): number {
  const width = Math.max(bucketWidth(span, every === undefined ? AIM : MAX_BUCKETS), SECOND);
  if (every === undefined) return width;
  const asked = Math.ceil(span / every);
  if (asked <= MAX_BUCKETS) return every;
  tell(
    `--every ${formatDuration(every)} makes ${asked} steps, and a chart has room for ${MAX_BUCKETS}: it is drawn with --every ${formatDuration(width)}. Choose a shorter time for finer steps`,
  );
  return width;
}

async function collect(source: LogSource, query: Omit<LogQuery, 'format'>) {
  const panels = new Map<string, { unit: string | undefined; buckets: Bucket[] }>();
  let estimated = false;
  for await (const { point, unit, clock, ...bucket } of rows(source, query)) {
    let panel = panels.get(point);
    if (panel === undefined) {
      if (panels.size >= MAX_PANELS)
        throw new SluiceError(
          'usage',
          `a chart shows at most ${MAX_PANELS} points, and there are more: choose with --points, such as --points ${[...panels.keys()].slice(0, 2).join(',')}`,
        );
      panel = { unit, buckets: [] };
      panels.set(point, panel);
    }
    panel.unit = unit;
    estimated ||= clock === 'estimated';
    panel.buckets.push(bucket);
  }
  if (panels.size === 0)
    throw new SluiceError('not-found', 'the log has no readings in this time; choose another with --from and --to');
  return { panels, estimated };
}

async function* rows(source: LogSource, query: Omit<LogQuery, 'format'>): AsyncGenerator<Row> {
  for await (const line of linesOf(source.ask({ ...query, format: 'jsonl' }))) yield JSON.parse(line) as Row;
}

/** Pieces end anywhere. */
async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of pieces) {
    const parts = (rest + piece).split('\n');
    rest = parts.pop() ?? '';
    yield* parts.filter((line) => line !== '');
  }
  if (rest !== '') yield rest;
}

async function alarmsOf(source: LogSource, from: number, to: number, rules: ReadonlySet<string>) {
  const spans = new AlarmSpans(from, to, rules);
  for await (const line of linesOf(source.ask({ from: 0, to, format: 'jsonl', alarms: true }))) spans.take(line);
  return spans.end();
}

function limitsOf(config: GatewayConfig | undefined, point: string): LimitLine[] {
  return [...(config?.rules.values() ?? [])].flatMap((rule) =>
    ruleLimits(rule, point).map(({ value, words }) => ({ rule: rule.name, severity: rule.severity, value, words })),
  );
}

function isBoolean(config: GatewayConfig | undefined, point: string): boolean {
  const [device = '', name = ''] = point.split('.');
  return config?.devices.get(device)?.points.get(name)?.type === 'bool';
}

function titleOf(source: LogSource, config: GatewayConfig | undefined): string {
  const { id, name } = source.gateway ?? config?.gateway ?? { id: '' };
  return name === undefined ? id : `${shortened(name, 50)} (${id})`;
}
