/** What the demonstration shows: a table on a terminal, plain lines elsewhere. Pure: text from what is known. */

import type { AlarmStatus, ForwarderStatus, GatewayStatus, TailReading } from '../../admin/target.ts';
import { unitWords } from '../../core/unit-words.ts';
import { formatDuration } from '../../core/units.ts';

export interface Scene {
  /** Latest reading of each point, by `device.point`. */
  readonly readings: ReadonlyMap<string, TailReading>;
  /** undefined until the gateway answers. */
  readonly status: GatewayStatus | undefined;
  readonly platform: {
    readonly listening: boolean;
    readonly readings: number;
    readonly lateReadings: number;
    readonly repeats: number;
  };
  /** The lines of the story, oldest first. */
  readonly story: readonly { readonly time: number; readonly text: string }[];
  /** Milliseconds UTC. */
  readonly now: number;
  readonly hints: readonly string[];
}

/** Colours that every terminal has. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  green(text: string): string;
}
const ESCAPE = '\u001b';
const code = (open: number, close: number) => (text: string) => `${ESCAPE}[${open}m${text}${ESCAPE}[${close}m`;
const PIECES = new RegExp(`${ESCAPE}\\[\\d+m|.`, 'gu');
export const COLOURS: Paint = {
  bold: code(1, 22),
  dim: code(2, 22),
  red: code(31, 39),
  yellow: code(33, 39),
  green: code(32, 39),
};
const asIs = (text: string) => text;
export const PLAIN: Paint = { bold: asIs, dim: asIs, red: asIs, yellow: asIs, green: asIs };

const STORY_LINES = 6;
/** Rows that a roomy screen needs beside the points: with fewer, points stand in columns, so that the story is not cut off. */
const ROWS_BESIDE = 22;
const COLUMN = 39;

/** The whole screen; the story is shortened to what fits, and long sentences go on in the next line. @param height rows of the terminal */
export function screen(scene: Scene, paint: Paint, width: number, height: number): string {
  const { status, story, hints } = scene;
  const rows = Math.max(5, height - 1);
  const roomy = rows >= scene.readings.size + ROWS_BESIDE;
  const gap = roomy ? [''] : [];
  const up = status === undefined ? 'starting' : `up ${clock(status.gateway.uptime)}`;
  const top = [
    paint.bold('Sluice demonstration site') + paint.dim(`   ${up}   Ctrl-C ends it`),
    ...gap,
    ...(roomy ? table(scene, paint) : columns(scene, paint, width)),
    ...gap,
    ...alarmLines(status?.alarms ?? [], paint, width),
    ...gap,
    ...upstreamLines(scene, paint, width),
    ...gap,
    paint.bold('What happens'),
  ];
  const end = roomy ? ['', ...hints.map((hint) => paint.dim(hint))] : [];
  const lines = story
    .slice(-STORY_LINES)
    .flatMap(({ time, text }) => wrapped(`  ${paint.dim(timeOfDay(time))}  `, 12, text, width));
  return [...top, ...lines.slice(-Math.max(1, rows - top.length - end.length)), ...end]
    .slice(0, rows)
    .map((line) => cut(line, width))
    .join('\n');
}

/** A sentence behind `before`, which is `taken` columns wide; what does not fit goes on below, as far in. */
function wrapped(before: string, taken: number, text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && taken + line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((part, i) => (i === 0 ? before : ' '.repeat(taken)) + part);
}

/** Points side by side, without the age, for a low terminal; quality is shown where it is not good. */
function columns({ readings }: Scene, paint: Paint, width: number): string[] {
  const cells = sorted(readings).map(([name, { value, unit, quality, reason }]) => {
    const words = quality === 'good' ? `${valueText(value)} ${unitText(unit)}` : `${quality} (${reason ?? ''})`;
    const colour = quality === 'good' ? paint.green : quality === 'bad' ? paint.red : paint.yellow;
    return `  ${name.padEnd(20)}${colour(words.padEnd(COLUMN - 22))}`;
  });
  const rows = Math.ceil(cells.length / Math.max(1, Math.floor(width / COLUMN)));
  return Array.from({ length: rows }, (_, row) => cells.filter((_, i) => i % rows === row).join(''));
}

function table({ readings, now }: Scene, paint: Paint): string[] {
  const head = paint.dim(`  ${'point'.padEnd(22)}${'value'.padStart(12)}  ${'unit'.padEnd(7)}${'quality'.padEnd(24)}age`);
  return [
    head,
    ...sorted(readings).map(([name, reading]) => {
      const age = `${Math.max(0, (now - reading.time) / 1000).toFixed(1)} s`;
      const unit = unitText(reading.unit);
      const quality = reading.reason === undefined ? reading.quality : `${reading.quality} (${reading.reason})`;
      const colour = reading.quality === 'good' ? paint.green : reading.quality === 'bad' ? paint.red : paint.yellow;
      const value = paint.bold(valueText(reading.value).padStart(12));
      return `  ${name.padEnd(22)}${value}  ${unit.padEnd(7)}${colour(quality.padEnd(24))}${paint.dim(age)}`;
    }),
  ];
}

function unitText(unit: string | undefined): string {
  return unitWords(unit ?? '');
}

function sorted(readings: Scene['readings']): [string, TailReading][] {
  return [...readings].sort(([a], [b]) => (a < b ? -1 : 1));
}

function alarmLines(alarms: readonly AlarmStatus[], paint: Paint, width: number): string[] {
  const active = alarms.filter((alarm) => alarm.state !== 'normal');
  if (active.length === 0) return [`${paint.bold('Alarms')}  none`];
  return [
    paint.bold('Alarms'),
    ...active.flatMap((alarm) => {
      const returned = alarm.state === 'returned-unacknowledged';
      const colour = returned ? paint.dim : alarm.severity === 'critical' ? paint.red : paint.yellow;
      const name = `${alarm.severity} ${alarm.rule}`;
      const text = `${alarm.state} since ${timeOfDay(alarm.since)}  ${alarm.message}`;
      return wrapped(`  ${colour(name)}  `, name.length + 4, text, width);
    }),
  ];
}

function upstreamLines({ status, platform }: Scene, paint: Paint, width: number): string[] {
  const forwarder = status?.forwarders[0];
  const lines = [`${paint.bold('Upstream')}  ${forwarder === undefined ? 'not started' : upstreamWords(forwarder, paint)}`];
  if (forwarder !== undefined && forwarder.state !== 'connected' && forwarder.fault !== undefined)
    lines.push(...wrapped('  ', 2, forwarder.fault, width));
  if (status !== undefined) {
    const { records, oldestUnsent, bytes } = status.log;
    const waiting =
      oldestUnsent === null
        ? 'nothing waits'
        : `the oldest that waits is ${formatDuration(Math.max(1000, Math.round((status.gateway.time - oldestUnsent) / 1000) * 1000))} old`;
    lines.push(`  log: ${count(records)} ${records === 1 ? 'record' : 'records'} in ${Math.ceil(bytes / 1024)} KiB; ${waiting}`);
  }
  lines.push(
    `  platform: ${count(platform.readings)} readings, ${count(platform.lateReadings)} of them late as history; ${count(platform.repeats)} repeats dropped`,
  );
  return lines;
}

function upstreamWords(forwarder: ForwarderStatus, paint: Paint): string {
  if (forwarder.state === 'connected')
    return `${paint.green('connected')}, ${forwarder.mode === 'history' ? 'catching up' : 'live'}`;
  return `${paint.red('away')}: readings are kept`;
}

/** One line for a log file or a pipe. */
export function summary(scene: Scene): string {
  const { status, platform } = scene;
  const values = sorted(scene.readings).map(([name, { value, unit }]) => `${name}=${valueText(value)}${unitText(unit)}`);
  const forwarder = status?.forwarders[0];
  const upstream = forwarder === undefined ? 'not started' : upstreamWords(forwarder, PLAIN);
  const alarms = status?.alarms.filter((alarm) => alarm.state.startsWith('active')).map((alarm) => alarm.rule) ?? [];
  return [
    values.slice(0, 4).join(' ') + (values.length > 4 ? ` and ${values.length - 4} more` : ''),
    `alarms: ${alarms.join(', ') || 'none'}`,
    `upstream: ${upstream}`,
    `log: ${count(status?.log.records ?? 0)} records`,
    `platform: ${count(platform.readings)} readings, ${count(platform.lateReadings)} late, ${count(platform.repeats)} repeats dropped`,
  ].join(' | ');
}

export function timeOfDay(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 8);
}

function valueText(value: TailReading['value']): string {
  if (value === null) return '-';
  if (typeof value !== 'number') return String(value);
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 100 ? 2 : 1);
}

function clock(seconds: number): string {
  const s = Math.floor(seconds);
  return [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60].map((n) => String(n).padStart(2, '0')).join(':');
}

function count(n: number): string {
  return n.toLocaleString('en');
}

/** Cuts what people see; colour codes have no width. */
function cut(line: string, width: number): string {
  let seen = 0;
  let out = '';
  for (const [part] of line.matchAll(PIECES)) {
    if (part.startsWith(ESCAPE)) out += part;
    else if (seen < width) {
      out += part;
      seen++;
    }
  }
  return out;
}
