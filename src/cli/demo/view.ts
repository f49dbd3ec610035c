/** What the demonstration shows: a page on a terminal, plain lines elsewhere. Pure: lines from what is known. */
import type { AlarmStatus } from '../../admin/live/live-types.ts';
import type { ForwarderStatus, GatewayStatus } from '../../admin/target.ts';
import { unitWords } from '../../core/unit-words.ts';
import { block, flow, type Line, type Look, type Span, type Style, span } from '../terminal/line.ts';
import { gridOf, pointRow, type ShownPoint, valueWords } from '../terminal/point-rows.ts';
import type { Size } from '../terminal/screen.ts';
import { bar } from '../terminal/spark.ts';
import { column, wrap } from '../terminal/text.ts';
import type { Coming, Fault } from './plot.ts';
import type { Tally } from './tally.ts';

export interface Scene {
  /** Milliseconds UTC. */
  readonly now: number;
  /** undefined until the gateway answers. */
  readonly status: GatewayStatus | undefined;
  readonly points: readonly ShownPoint[];
  readonly valueWidth: number;
  readonly tally: Tally;
  /** UTC ms since when the gateway does not reach the platform. */
  readonly awaySince: number | undefined;
  readonly platform: { readonly listening: boolean; readonly lateReadings: number; readonly repeats: number };
  /** The lines of the story, oldest first. */
  readonly story: readonly { readonly time: number; readonly text: string }[];
  readonly coming: Coming | undefined;
  readonly faults: readonly (Fault & { readonly isOn: boolean })[];
  /** Whether keys can be pressed. */
  readonly hasKeys: boolean;
  /** An answer to a key that means nothing. */
  readonly note: string | undefined;
  readonly hints: readonly string[];
}

const MINUTE_WORDS = 'last minute';
const STORY = { least: 1, usual: 3, most: 12 };

/** A part of the page: lines that it needs at least, and those that it wants; more room goes to the parts in this order. */
interface Part {
  readonly lines: readonly Line[];
  readonly least: number;
  readonly rank: number;
  /** The end of its lines is what counts. */
  readonly newest?: boolean;
}

/** The page, as much of it as fits. */
export function page(scene: Scene, size: Size, look: Look): Line[] {
  const { columns: width, rows } = size;
  const gap = (rank: number): Part => ({ lines: [[]], least: 0, rank });
  const grouped = pointLines(scene, width, look, false);
  const devices = new Set(scene.points.map(({ device }) => device)).size;
  const roomy = rows >= grouped.length + devices + 16;
  const story = storyLines(scene, width);
  const parts: Part[] = [
    { lines: [title(scene, width)], least: 1, rank: 5 },
    { lines: banner(scene, width, look), least: 4, rank: 0 },
    gap(20),
    { lines: roomy ? pointLines(scene, width, look, true) : grouped, least: 2, rank: 3 },
    gap(9),
    { lines: barLines(scene, width, look), least: 1, rank: 1 },
    gap(21),
    { lines: story.slice(-STORY.most), least: STORY.least, rank: 6, newest: true },
    { lines: [comingLine(scene)], least: 1, rank: 2 },
    gap(22),
    { lines: keyLines(scene, width, look), least: 1, rank: 4 },
    gap(30),
    { lines: scene.hints.map((hint) => [span(hint, 'dim')]), least: 0, rank: 31 },
  ];
  return fit(parts, rows);
}

/** Each part gets its least first, then what it wants, by rank. */
function fit(parts: readonly Part[], rows: number): Line[] {
  const byRank = parts.toSorted((a, b) => a.rank - b.rank);
  const got = new Map<Part, number>(parts.map((part) => [part, 0]));
  let free = rows;
  const give = (part: Part, wanted: number) => {
    const more = Math.min(free, Math.max(0, wanted - (got.get(part) ?? 0)));
    got.set(part, (got.get(part) ?? 0) + more);
    free -= more;
  };
  for (const part of byRank) give(part, Math.min(part.least, part.lines.length));
  // The story gets what is usual before gaps do, and the rest after all others.
  for (const part of byRank) give(part, part.newest ? Math.min(part.lines.length, STORY.usual) : part.lines.length);
  for (const part of byRank) give(part, part.lines.length);
  return parts.flatMap((part) => {
    const count = got.get(part) ?? 0;
    if (count === 0) return [];
    if (part.newest) return part.lines.slice(-count);
    const cut = part.lines.slice(0, count);
    const hidden = part.lines.length - count;
    return hidden > 0 && count > 1 && part.lines.length > 4
      ? [...cut.slice(0, -1), [span(`   and ${hidden + 1} more: make the window higher`, 'dim')]]
      : cut;
  });
}

function title({ status, now }: Scene, width: number): Line {
  const left = ' Sluice demonstration: a real gateway, simulated instruments';
  const right = `${status === undefined ? 'starting' : `up ${clock(status.gateway.uptime)}`}  ${timeOfDay(now)} `;
  if (width < left.length + right.length + 1) return [span(' Sluice demonstration', 'bold'), span(`  ${right}`, 'dim')];
  return [span(left, 'bold'), span(right.padStart(width - left.length), 'dim')];
}

/** Alarms, network, kept, lost: each block keeps its place and its width. */
function banner(scene: Scene, width: number, look: Look): Line[] {
  const { tally, status } = scene;
  const alarms = activeAlarms(status);
  const worst = alarms.some(({ severity }) => severity === 'critical') ? 'redBlock' : 'yellowBlock';
  const names = alarms.map(({ rule }) => rule).join(', ');
  const words = alarms.length === 0 ? 'ALARMS none' : `${alarms.length} ${alarms.length === 1 ? 'ALARM' : 'ALARMS'} ${names}`;
  const network = networkBlock(scene);
  const blocks: readonly (readonly [text: string, style: Style, wide: number])[] = [
    [words, status === undefined ? 'plainBlock' : alarms.length === 0 ? 'greenBlock' : worst, 25],
    [network.text, network.style, 24],
    [`KEPT ${count(tally.kept)}`, scene.awaySince === undefined ? 'greenBlock' : 'yellowBlock', 11],
    [`LOST ${count(tally.lost)}`, tally.lost === 0 ? 'greenBlock' : 'redBlock', 6],
  ];
  // With edges and gaps; what is left over goes to the names of the alarms.
  const fixed = blocks.reduce((sum, [, , wide]) => sum + wide + 3, 1);
  if (width < fixed - 1)
    return flow(
      blocks.map(([text, style]) => block(text, style, look)),
      width,
      0,
    );
  const spare = Math.min(40, width - fixed);
  const mark = look.unicode ? '…' : '~';
  const spans = blocks.map(([text, style, wide], i) => block(column(text, wide + (i === 0 ? spare : 0), { mark }), style, look));
  return [spans.flatMap((one, i) => (i === 0 ? [span(' '), one] : [span(' '), one]))];
}

function networkBlock({ status, awaySince, platform, now }: Scene): { text: string; style: Style } {
  const forwarder = status?.forwarders[0];
  if (forwarder === undefined) return { text: 'NETWORK starting', style: 'plainBlock' };
  if (awaySince === undefined) {
    if (forwarder.state !== 'connected') return { text: 'NETWORK connecting', style: 'plainBlock' };
    return forwarder.mode === 'history'
      ? { text: 'NETWORK catching up', style: 'cyanBlock' }
      : { text: 'NETWORK connected', style: 'greenBlock' };
  }
  if (platform.listening && forwarder.nextTry !== null)
    return { text: `NETWORK back, try in ${seconds(forwarder.nextTry - now)}`, style: 'cyanBlock' };
  return { text: `NETWORK away for ${seconds(now - awaySince)}`, style: 'redBlock' };
}

function pointLines(scene: Scene, width: number, look: Look, gaps: boolean): Line[] {
  const { points, now } = scene;
  if (points.length === 0) return [[span(' The instruments are being read for the first time …', 'dim')]];
  const grid = gridOf(points, scene.valueWidth, width);
  const before = 1 + grid.device + 2 + grid.point + 1 + grid.value + 9;
  const head = `${' '.repeat(before)}${column(MINUTE_WORDS, grid.cells)}${grid.remark > 0 ? `  ${column('limit', grid.remark)}` : ''}`;
  const lines: Line[] = gaps ? [[span(head, 'dim')]] : [];
  points.forEach((point, i) => {
    const first = point.device !== points[i - 1]?.device;
    if (gaps && first && i > 0) lines.push([]);
    lines.push(pointRow(point, grid, first, now, look));
  });
  return lines;
}

/** The readings of this run: a bar, and the same in numbers. */
function barLines({ tally }: Scene, width: number, look: Look): Line[] {
  const { read, delivered, waiting, lost } = tally;
  const parts = [
    { amount: delivered, style: 'green', sign: '#' },
    { amount: waiting, style: 'yellow', sign: '-' },
    { amount: lost, style: 'red', sign: 'x' },
  ] as const;
  const signs = parts.map(({ style, sign }) => span(look.colours && look.unicode ? '█ ' : `${sign} `, style));
  const number = (n: number, wide: number) => count(n).padEnd(wide);
  const wide = Math.max(5, count(read).length);
  return [
    [
      span(' Readings: ', 'bold'),
      span(`read ${number(read, wide)}`, 'bold'),
      span(' = '),
      ...[signs[0] as Span, span(`delivered ${number(delivered, wide)}`)],
      span(' + '),
      ...[signs[1] as Span, span(`waiting ${number(waiting, wide)}`)],
      span(' + '),
      ...[signs[2] as Span, span(`lost ${count(lost)}`)],
    ],
    [span(' '), ...bar(parts, width - 2, look)],
  ];
}

function storyLines({ story }: Scene, width: number): Line[] {
  return story.flatMap(({ time, text }) =>
    wrap(text, Math.max(10, width - 12)).map((part, i): Line => {
      const style = text.startsWith('ALARM') ? 'red' : undefined;
      return i === 0 ? [span(` ${timeOfDay(time)}  `, 'dim'), span(part, style)] : [span(' '.repeat(11)), span(part, style)];
    }),
  );
}

function comingLine({ coming, note, hasKeys }: Scene): Line {
  if (note !== undefined) return [span(` ${note}`, 'yellow')];
  if (coming === undefined) return [span(' The gateway starts …', 'dim')];
  const now = hasKeys ? ' (space: now)' : '';
  const count = String(coming.seconds).padStart(2);
  return coming.leads
    ? [span(' You lead.', 'cyan'), span(` In ${count} s ${coming.text}`), span(now, 'dim')]
    : [span(` Next in ${count} s:`, 'cyan'), span(` ${coming.text}`), span(now, 'dim')];
}

function keyLines({ faults, hasKeys }: Scene, width: number, look: Look): Line[] {
  if (!hasKeys) return [[span(' Ctrl-C ends it.', 'dim')]];
  const cells = [
    ...faults.map(({ key, begin, end, isOn }): [string, Style | undefined] => {
      const words = `${key} ${(isOn ? end : begin).padEnd(Math.max(begin.length, end.length))}`;
      return [isOn && !look.colours ? words.toUpperCase() : words, isOn ? 'yellow' : undefined];
    }),
    ['q end', undefined] as [string, undefined],
  ];
  const lines: Span[][] = [];
  let used = width;
  for (const [words, style] of cells) {
    if (used + 2 + words.length > width) {
      lines.push([span(' ')]);
      used = 1;
    } else {
      lines.at(-1)?.push(span('  '));
      used += 2;
    }
    lines.at(-1)?.push(span(words.slice(0, 1), style === undefined ? 'bold' : 'yellow'), span(words.slice(1), style));
    used += words.length;
  }
  return lines;
}

export function activeAlarms(status: GatewayStatus | undefined): AlarmStatus[] {
  return status?.alarms.filter(({ state }) => state.startsWith('active')) ?? [];
}

/** One line for a log file or a pipe. */
export function summary(scene: Scene): string {
  const { status, tally, points } = scene;
  const values = points.map(
    ({ device, point, reading, decimals }) =>
      `${device}.${point}=${valueWords(reading, decimals)}${unitWords(reading.unit ?? '')}`,
  );
  return [
    values.slice(0, 4).join(' ') + (values.length > 4 ? ` and ${values.length - 4} more` : ''),
    `alarms: ${
      activeAlarms(status)
        .map(({ rule }) => rule)
        .join(', ') || 'none'
    }`,
    `network: ${networkWords(status?.forwarders[0])}`,
    tallyWords(tally),
  ].join(' | ');
}

export function tallyWords({ read, delivered, waiting, lost }: Tally): string {
  return `read ${count(read)} = delivered ${count(delivered)} + waiting ${count(waiting)} + lost ${count(lost)}`;
}

function networkWords(forwarder: ForwarderStatus | undefined): string {
  if (forwarder === undefined) return 'starting';
  if (forwarder.state !== 'connected') return 'away';
  return forwarder.mode === 'history' ? 'catching up' : 'connected';
}

export function timeOfDay(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))} s`;
}

function clock(seconds: number): string {
  const s = Math.floor(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  return s < 3600
    ? `${two(Math.floor(s / 60))}:${two(s % 60)}`
    : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export function count(n: number): string {
  return n.toLocaleString('en');
}
