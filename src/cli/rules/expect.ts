/** The timeline that somebody expects, compared with the one that was played. */
import { readFileSync, statSync } from 'node:fs';
import { parseTimeline, type TimelineEntry } from '../../config/timeline.ts';
import { SluiceError } from '../../core/errors.ts';
import { isoTime } from '../../core/times.ts';
import { formatSize, parseDuration } from '../../core/units.ts';
import { fileWords } from '../file-words.ts';
import { clean } from '../terminal/clean.ts';
import type { Entry } from './timeline.ts';

/** Largest file of expectations, bytes. */
const LARGEST = 16 * 1024 ** 2;
/** Entries that are compared by their longest common sequence: it needs the square of them. */
const MOST_ALIGNED = 2000;
/** Lines of a difference. */
const SHOWN = 200;

export interface Expected {
  readonly time: number;
  readonly written: TimelineEntry;
}

/**
 * @param from the beginning of the play, UTC ms
 * @throws SluiceError recording
 */
export function readExpected(file: string, from: number): Expected[] {
  try {
    if (statSync(file).size > LARGEST) throw new Error(`it is larger than ${formatSize(LARGEST)}`);
    return parseTimeline(readFileSync(file, 'utf8')).map((written, i) => ({ time: timeOf(written, from, i), written }));
  } catch (cause) {
    throw new SluiceError('recording', `${file}: ${fileWords(cause)}`, { cause });
  }
}

function timeOf({ time, at }: TimelineEntry, from: number, index: number): number {
  const found =
    at === undefined
      ? typeof time === 'number'
        ? time
        : isoTime(time ?? '')
      : from + at.split(' ').reduce((sum, part) => sum + (parseDuration(part) ?? Number.NaN), 0);
  if (found === undefined || !Number.isFinite(found)) throw new Error(`entry ${index + 1}: "${at ?? time}" is not a time`);
  return found;
}

function matches({ time, written }: Expected, found: Entry): boolean {
  const { rule, state, occurrence, severity, point, message, observed, cause, firstOut } = written;
  return (
    time === Math.round(found.time) &&
    rule === found.rule &&
    state === found.state &&
    (occurrence === undefined || occurrence === found.occurrence) &&
    (severity === undefined || severity === found.severity) &&
    (point === undefined || point === found.point) &&
    (message === undefined || message === found.message) &&
    (cause === undefined || cause === found.cause) &&
    (firstOut === undefined || firstOut === (found.firstOut ?? false)) &&
    (observed === undefined || observed === (found.observed ?? false)) &&
    (written.value === undefined || sameValue(written.value, found.value))
  );
}

function sameValue(expected: unknown, found: unknown): boolean {
  return expected === found || (found !== undefined && String(expected) === String(found));
}

/** Lines that begin with `-` for what did not happen, and with `+` for what nobody expected; none where all is as expected. */
export function differences(expected: readonly Expected[], found: readonly Entry[]): string[] {
  const lines: string[] = [];
  for (const step of aligned(expected, found)) {
    if (step.expected !== undefined && step.found === undefined) lines.push(`- ${expectedWords(step.expected)}`);
    if (step.found !== undefined && step.expected === undefined) lines.push(`+ ${foundWords(step.found)}`);
  }
  return lines.length > SHOWN ? [...lines.slice(0, SHOWN), `and ${lines.length - SHOWN} more`] : lines;
}

interface Step {
  readonly expected?: Expected;
  readonly found?: Entry;
}

function aligned(expected: readonly Expected[], found: readonly Entry[]): Step[] {
  const steps: Step[] = [];
  if (Math.max(expected.length, found.length) > MOST_ALIGNED) {
    for (let i = 0; i < Math.max(expected.length, found.length); i++) {
      const [e, f] = [expected[i], found[i]];
      if (e !== undefined && f !== undefined && matches(e, f)) continue;
      if (e !== undefined) steps.push({ expected: e });
      if (f !== undefined) steps.push({ found: f });
    }
    return steps;
  }
  const width = found.length + 1;
  const common = new Uint16Array((expected.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] as number;
  for (let i = expected.length - 1; i >= 0; i--)
    for (let j = found.length - 1; j >= 0; j--)
      common[i * width + j] = matches(expected[i] as Expected, found[j] as Entry)
        ? at(i + 1, j + 1) + 1
        : Math.max(at(i + 1, j), at(i, j + 1));
  for (let i = 0, j = 0; i < expected.length || j < found.length; ) {
    const [e, f] = [expected[i], found[j]];
    if (e !== undefined && f !== undefined && matches(e, f)) {
      steps.push({ expected: e, found: f });
      i++;
      j++;
    } else if (f === undefined || (e !== undefined && at(i + 1, j) >= at(i, j + 1))) {
      steps.push({ expected: e as Expected });
      i++;
    } else {
      steps.push({ found: f });
      j++;
    }
  }
  return steps;
}

function expectedWords({ time, written }: Expected): string {
  const { rule, state, value, message, occurrence, severity } = written;
  return words(time, rule, state, { occurrence, severity, value, message });
}

function foundWords({ time, rule, state, occurrence, severity, value, message }: Entry): string {
  return words(time, rule, state, { occurrence, severity, value, message });
}

function words(time: number, rule: string, state: string, more: Readonly<Record<string, unknown>>): string {
  const rest = Object.entries(more).flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${JSON.stringify(value)}`]));
  return clean(`${new Date(time).toISOString()} ${rule} ${state}${rest.length === 0 ? '' : ` (${rest.join(', ')})`}`);
}

/** What `--save` writes: the facts that a change of words does not touch. */
export function expectedText(entries: readonly Entry[]): string {
  const lines = entries.map(({ time, rule, state, occurrence, value }) => {
    const fields = {
      time: new Date(Math.round(time)).toISOString(),
      ...{ rule, state, occurrence },
      ...(value !== undefined && { value }),
    };
    return `- {${Object.entries(fields)
      .map(([key, found]) => `${key}: ${typeof found === 'string' && key === 'value' ? JSON.stringify(found) : found}`)
      .join(', ')}}\n`;
  });
  return `# The timeline that \`sluice rules test --expect\` compares with. A key that is left out is not compared.\n${lines.length === 0 ? '[]\n' : lines.join('')}`;
}
