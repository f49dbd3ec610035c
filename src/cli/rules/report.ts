/** What a play found, with what a recording cannot show. */
import { localDate } from '../local-time.ts';
import { clean } from '../terminal/clean.ts';
import { shown } from './cells.ts';
import type { Play } from './play.ts';
import { type Entry, entryLines, lengthWords, type RuleSummary } from './timeline.ts';
import { filteredPoints, pointsOf } from './wanted.ts';

/** Names in a sentence. */
const NAMED = 8;
/** Gaps in a sentence. */
const GAPS = 3;

export interface Running {
  readonly rule: string;
  readonly kind: 'on' | 'off';
  /** Milliseconds. */
  readonly elapsed: number;
  readonly length: number;
}

export interface Report {
  /** UTC milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly readings: number;
  readonly bad: number;
  readonly uncertain: number;
  /** Points of rules that occurred. */
  readonly points: number;
  readonly transitions: readonly Entry[];
  /** Transitions beyond those that are listed. */
  readonly more: number;
  readonly rules: readonly RuleSummary[];
  readonly notTested: readonly string[];
  /** Delays that had not passed at the end. */
  readonly running: readonly Running[];
  /** What the recording cannot show, and what was left out. */
  readonly notes: readonly string[];
}

export function reportOf(play: Play): Report {
  const { rules, timeline, played } = play;
  const untested = rules.filter((rule) => !pointsOf(rule).some((point) => played.points.has(point)));
  const without = new Set(untested.map(({ name }) => name));
  const by = new Map(rules.map((rule) => [rule.name, rule]));
  return {
    ...{ from: played.from, to: played.to, readings: played.readings, bad: played.bad, uncertain: played.uncertain },
    points: played.points.size,
    transitions: timeline.entries.filter(({ rule }) => !without.has(rule)).sort((a, b) => a.time - b.time),
    more: timeline.more,
    rules: timeline.summary(played.to, without),
    notTested: [...without],
    running: played.states.flatMap(({ rule, pending }) => {
      const of = by.get(rule);
      if (of === undefined || pending === undefined || without.has(rule)) return [];
      return [{ rule, ...pending, length: pending.kind === 'on' ? of.onDelay : of.offDelay }];
    }),
    notes: notesOf(
      play,
      untested.map(({ name }) => name),
    ),
  };
}

function notesOf({ config, rules, wanted, timeline, played, ignored, ofLog }: Play, untested: readonly string[]): string[] {
  const notes: string[] = [];
  const { gaps } = played;
  const partly = rules.filter((rule) => {
    const seen = pointsOf(rule).filter((point) => played.points.has(point)).length;
    return seen > 0 && seen < pointsOf(rule).length;
  });
  if (untested.length > 0) notes.push(`Not tested, because the recording has no reading of their points: ${some(untested)}.`);
  if (partly.length > 0)
    notes.push(`Some inputs of these rules have no reading in the recording: ${some(partly.map(({ name }) => name))}.`);
  const filtered = filteredPoints(
    config,
    [...wanted.keys()].filter((point) => played.points.has(point)),
  );
  if (filtered.length > 0)
    notes.push(
      `A log keeps only what \`report:\` lets through of ${some(filtered)}. The rules of a gateway see every poll, so a short excursion may be missing here.`,
    );
  if (ofLog) notes.push('The rules began without memory: what happened before the first reading is not known here.');
  if (played.starts > 1)
    notes.push(
      `The recording holds ${played.starts} starts of the gateway. The time between two of them counts as time without power.`,
    );
  if (gaps.count > 0) {
    const words = gaps.kept
      .slice(0, GAPS)
      .map(({ point, from, to }) => `${point} ${localDate(from)} for ${lengthWords(to - from)}`);
    notes.push(
      `Gaps without a reading, which rules see as silence: ${gaps.count} (${words.join('; ')}${gaps.count > GAPS ? '; …' : ''}).`,
    );
  }
  if (played.leftOut > 0)
    notes.push(
      `Readings that are older than the readings before them were left out: ${played.leftOut}, the first at line ${played.leftOutAt.join(', ')}. Sort the file by time.`,
    );
  if (played.estimated > 0)
    notes.push(`The gateway did not know the time of ${played.estimated} records; their times are estimated.`);
  if (ignored.length > 0) notes.push(`Columns that are no point of a rule: ${some(ignored.map(shown))}.`);
  if (timeline.more > 0)
    notes.push(
      `${timeline.more} more transitions are not listed. Choose a shorter time with --from and --to, or some rules with --rules.`,
    );
  if (rules.some(({ actions, escalation }) => (actions?.length ?? 0) > 0 || escalation !== undefined))
    notes.push('Actions were not carried out.');
  return notes;
}

function some(names: readonly string[]): string {
  const list = names.slice(0, NAMED).join(', ');
  return names.length > NAMED ? `${list} and ${names.length - NAMED} more` : list;
}

export function reportJson(report: Report): string {
  return `${JSON.stringify({ ...report, transitions: report.transitions.map((entry) => ({ ...entry, local: localDate(entry.time) })) })}\n`;
}

export function reportText(report: Report): string {
  const { from, to, readings, points, bad, uncertain } = report;
  const lines = report.transitions.map(entryLines);
  if (lines.length > 0) lines.push('');
  lines.push(
    `${readings} readings of ${points} ${points === 1 ? 'point' : 'points'}, ${localDate(from)} to ${localDate(to)} (${bad} bad, ${uncertain} uncertain)`,
  );
  const quiet: string[] = [];
  for (const summary of report.rules) {
    if (summary.count === 0) quiet.push(summary.observed ? `${summary.rule} (observed only)` : summary.rule);
    else lines.push(summaryLine(summary));
  }
  if (quiet.length > 0) lines.push(`no alarm: ${some(quiet)}`);
  for (const { rule, kind, elapsed, length } of report.running)
    lines.push(
      `${rule}: its ${kind === 'on' ? 'onDelay' : 'offDelay'} had run for ${lengthWords(elapsed)} of ${lengthWords(length)} at the end`,
    );
  for (const note of report.notes) lines.push(`Note: ${clean(note)}`);
  return `${lines.join('\n')}\n`;
}

function summaryLine({ rule, observed, count, longest, total, state }: RuleSummary): string {
  const times =
    count === 1
      ? `1 alarm of ${lengthWords(total)}`
      : `${count} alarms, ${lengthWords(total)} in all, the longest ${lengthWords(longest)}`;
  const at = state === 'normal' ? '' : '; not over at the end';
  return `${rule}${observed ? ' (observed only)' : ''}: ${times}${at}`;
}
