/**
 * The picture of a play, as an SVG document: for each point its values, limits and deadbands, the times of alarms as bands, gaps and
 * bad readings; below it one line a rule with its alarms. As narrow as a phone shows it, light and dark, no script, nothing from
 * elsewhere. Pure but for the zone of this machine.
 */
import type { ResolvedRule } from '../../config/kinds.ts';
import type { Severity } from '../../core/alarm.ts';
import { unitWords } from '../../core/unit-words.ts';
import { momentWords, type NumberAxis, numberAxis, timeTicks, zoneWords } from '../chart/axes.ts';
import type { Bucket } from '../chart/chart.ts';
import { STYLE } from '../chart/draw.ts';
import { escaped, lineAt, px, rectAt, shortened, textAt } from '../chart/svg.ts';
import { type Bands, bandsOf, type Limited, limitedOf, type Span, spansOf } from './picture-parts.ts';
import { LABELS, type Labels } from './picture-words.ts';
import type { Play } from './play.ts';
import type { Report } from './report.ts';
import { lengthWords } from './timeline.ts';

/** A phone of 360 pixels shows it at 0.6 of its size: its letters of 20 are 12 there. */
const WIDTH = 600;
const LEFT = 66;
const RIGHT = 14;
const PLOT = WIDTH - LEFT - RIGHT;
const HEIGHT = 230;
const LANE = 46;
const LETTERS = 19;
/** Lanes of a point, and lines of the list of alarms. */
const MOST_LANES = 8;
const MOST_LISTED = 12;

interface Frame {
  readonly from: number;
  readonly to: number;
  readonly labels: Labels;
  across(time: number): number;
}

export function picture(report: Report, play: Play, language: 'en' | 'bn'): string {
  const labels = LABELS[language];
  const from = report.from;
  const to = Math.max(report.to, from + 1000);
  const across = (time: number): number => LEFT + ((Math.min(Math.max(time, from), to) - from) / (to - from)) * PLOT;
  const frame: Frame = { from, to, labels, across };
  const spans = spansOf(report);
  const buckets = play.panels?.end() ?? new Map<string, readonly Bucket[]>();
  const tested = play.rules.filter(({ name }) => !report.notTested.includes(name));
  let y = 104;
  const parts: string[] = [];
  for (const [point, own] of buckets) {
    const rules = tested.filter((rule) => `${rule.device}.${rule.point}` === point);
    if (rules.length === 0) continue;
    const panel = panelOf(
      { point, unit: play.wanted.get(point)?.unit, rules, spans, buckets: own, width: play.panels?.width ?? 0 },
      frame,
      y,
    );
    parts.push(panel.svg);
    y += panel.height;
  }
  const list = listOf(spans, frame, y);
  const height = px(y + list.height + 10);
  const title = `${play.config.gateway.name ?? play.config.gateway.id}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" lang="${language}" width="100%" viewBox="0 0 ${WIDTH} ${height}" style="max-width:${WIDTH * 1.6}px" role="img">`,
    `<title>${escaped(`${title}: ${[...buckets.keys()].join(', ')}`)}</title>`,
    `<style>${STYLE}${OWN}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}"/>`,
    textAt(14, 32, shortened(title, 44), { class: 'title' }),
    textAt(14, 58, `${momentWords(from, to)} – ${momentWords(to, 0)}`, { class: 'small' }),
    textAt(14, 82, `${labels.local} ${zoneWords(from, to)}`, { class: 'small' }),
    ...parts,
    list.svg,
    '</svg>\n',
  ].join('\n');
}

const OWN = [
  `text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Noto Sans Bengali","Nirmala UI",sans-serif}`,
  `text,.small,.label,.nothing{font-size:${LETTERS}px}.title{font-size:25px}.point{font-size:21px}.deadband{fill-opacity:.16;stroke:none}`,
  '.gap{fill-opacity:.16}.trial{fill-opacity:.35}.lane{fill-opacity:.85}.alarm{fill-opacity:.16}',
  '.deadband.critical,.deadband.warning,.deadband.info{stroke:none}',
].join('');

interface PanelInput {
  readonly point: string;
  readonly unit: string | undefined;
  readonly rules: readonly ResolvedRule[];
  readonly spans: readonly Span[];
  readonly buckets: readonly Bucket[];
  readonly width: number;
}

function panelOf(input: PanelInput, frame: Frame, y: number): { svg: string; height: number } {
  const { point, unit, rules, spans, buckets, width } = input;
  const { labels, across } = frame;
  const top = y + 36;
  const bottom = top + HEIGHT;
  const limits = rules.flatMap(limitedOf);
  const axis = axisOf(buckets, limits);
  const up = (value: number): number =>
    axis === undefined
      ? bottom
      : bottom - ((Math.min(Math.max(value, axis.low), axis.high) - axis.low) / (axis.high - axis.low)) * HEIGHT;
  const words = unit === undefined ? '' : unitWords(unit);
  const out = [textAt(14, y + 22, shortened(`${point}${words === '' ? '' : `, ${words}`}`, 44), { class: 'point' })];
  const own = spans.filter(({ rule }) => rules.some(({ name }) => name === rule));
  for (const { from, to, severity, observed } of own.slice(0, 400))
    if (!observed)
      out.push(
        rectAt(across(from), top, Math.max(across(to ?? frame.to) - across(from), 2), HEIGHT, `alarm ${severity}`, labels.alarm),
      );
  out.push(...grid(axis, frame, top, bottom, up));
  const bands = bandsOf(buckets, width);
  for (const { from, to } of bands.gaps)
    out.push(rectAt(across(from), top, Math.max(across(to) - across(from), 1.5), HEIGHT, 'bad gap', labels.gap));
  for (const { from, to } of bands.bad)
    out.push(rectAt(across(from), bottom - 8, Math.max(across(to) - across(from), 2), 8, 'bad', labels.bad));
  if (axis === undefined)
    out.push(textAt(LEFT + PLOT / 2, top + HEIGHT / 2, labels.none, { class: 'nothing', anchor: 'middle' }));
  else {
    for (const { value, back, severity } of limits)
      if (back !== undefined)
        out.push(
          rectAt(
            LEFT,
            Math.min(up(value), up(back)),
            PLOT,
            Math.max(Math.abs(up(value) - up(back)), 1),
            `mark deadband ${severity}`,
            labels.deadband,
          ),
        );
    for (const run of bands.runs) out.push(...lineOf(run, width, across, up));
    out.push(...limitLines(limits, axis, labels, up, top, bottom));
  }
  const lanes = rules.slice(0, MOST_LANES);
  let under = bottom + 52;
  for (const rule of lanes) {
    out.push(...laneOf(rule, own, frame, under));
    under += LANE;
  }
  if (rules.length > lanes.length) {
    out.push(textAt(14, under + 6, `+ ${rules.length - lanes.length} ${labels.more}`, { class: 'small' }));
    under += 26;
  }
  const legend = legendOf(bands, limits, own, labels, under + 8);
  out.push(...legend.svg);
  return { svg: out.join('\n'), height: under + legend.height - y + 34 };
}

function axisOf(buckets: readonly Bucket[], limits: readonly Limited[]): NumberAxis | undefined {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { min, max } of buckets) {
    if (min === null || max === null) continue;
    low = Math.min(low, min);
    high = Math.max(high, max);
  }
  // What is larger is no value of an instrument, and overflows when it is added up.
  if (low > high || Math.max(Math.abs(low), Math.abs(high)) > 1e200) return undefined;
  const reach = 20 * Math.max(high - low, Math.max(Math.abs(low), Math.abs(high)) / 20);
  const near = limits.map(({ value }) => value).filter((value) => value >= low - reach && value <= high + reach);
  const all = [low, high, ...near];
  const margin = (Math.max(...all) - Math.min(...all)) * 0.1;
  return numberAxis(
    Math.min(low, ...near.map((value) => value - margin)),
    Math.max(high, ...near.map((value) => value + margin)),
    4,
  );
}

function grid(
  axis: NumberAxis | undefined,
  { from, to, across }: Frame,
  top: number,
  bottom: number,
  up: (value: number) => number,
): string[] {
  const out: string[] = [];
  for (const { value, label } of axis?.ticks ?? [])
    out.push(
      lineAt(LEFT, up(value), WIDTH - RIGHT, up(value), 'grid'),
      textAt(LEFT - 8, up(value) + 6, label, { class: 'small', anchor: 'end' }),
    );
  for (const { time, label, day } of timeTicks(from, to, 4)) {
    const x = across(time);
    const anchor = x > WIDTH - RIGHT - 30 ? ('end' as const) : ('middle' as const);
    const at = anchor === 'end' ? WIDTH - RIGHT : x;
    out.push(lineAt(x, top, x, bottom + 5, 'grid'), textAt(at, bottom + 22, label, { class: 'small', anchor }));
    if (day !== undefined) out.push(textAt(at, bottom + 42, day, { class: 'small', anchor }));
  }
  out.push(lineAt(LEFT, bottom, WIDTH - RIGHT, bottom, 'axis'));
  return out;
}

type Numbers = Bucket & { readonly min: number; readonly mean: number; readonly max: number };

function lineOf(
  run: readonly Bucket[],
  width: number,
  across: (time: number) => number,
  up: (value: number) => number,
): string[] {
  const points = (run as readonly Numbers[]).map((b) => ({
    x: px(across(b.time + width / 2)),
    mean: px(up(b.mean)),
    min: px(up(b.min)),
    max: px(up(b.max)),
  }));
  const [one] = points;
  if (one === undefined) return [];
  if (points.length === 1) return [`<circle class="dot" cx="${one.x}" cy="${one.mean}" r="3"/>`];
  const upper = points.map((p) => `${p.x} ${p.max}`).join('L');
  const lower = points
    .map((p) => `${p.x} ${p.min}`)
    .reverse()
    .join('L');
  return [
    `<path class="band" d="M${upper}L${lower}Z"/>`,
    `<path class="mean" d="M${points.map((p) => `${p.x} ${p.mean}`).join('L')}"/>`,
  ];
}

function limitLines(
  limits: readonly Limited[],
  axis: NumberAxis,
  labels: Labels,
  up: (value: number) => number,
  top: number,
  bottom: number,
): string[] {
  const out: string[] = [];
  let free = top + 20;
  for (const { value, words, severity } of limits.toSorted((a, b) => b.value - a.value).slice(0, MOST_LANES)) {
    const y = up(value);
    const beyond = value > axis.high ? ' ↑' : value < axis.low ? ' ↓' : '';
    if (beyond === '') out.push(lineAt(LEFT, y, WIDTH - RIGHT, y, `limit ${severity}`));
    const at = Math.min(Math.max(y - 6, free), bottom - 8);
    free = at + LETTERS + 2;
    out.push(textAt(WIDTH - RIGHT - 6, at, `${labels.limit(words)}${beyond}`, { class: `label ${severity}`, anchor: 'end' }));
  }
  return out;
}

function laneOf(rule: ResolvedRule, spans: readonly Span[], { to, labels, across }: Frame, y: number): string[] {
  const own = spans.filter((span) => span.rule === rule.name);
  const trial = rule.observe ? ` (${labels.trial})` : '';
  const count = own.length === 0 ? labels.quiet : `${own.length} × ${labels.alarm}`;
  const out = [
    textAt(14, y + 16, shortened(`${rule.name}${trial}`, 36), { class: `small ${rule.severity}` }),
    textAt(WIDTH - RIGHT, y + 16, count, { class: 'small', anchor: 'end' }),
    lineAt(LEFT, y + 29, WIDTH - RIGHT, y + 29, 'grid'),
  ];
  let last = Number.NEGATIVE_INFINITY;
  for (const { from, to: end, severity, observed } of own) {
    const [x1, x2] = [across(from), Math.max(across(end ?? to), across(from) + 2.5)];
    // Spans of the same pixels are one, so there are never more than the plot is wide.
    if (x2 <= last + 0.5) continue;
    out.push(rectAt(Math.max(x1, last), y + 23, x2 - Math.max(x1, last), 12, `mark lane ${severity}${observed ? ' trial' : ''}`));
    last = x2;
  }
  return out;
}

/** Marks with their words, in as many lines as they need. */
function legendOf(
  bands: Bands,
  limits: readonly Limited[],
  spans: readonly Span[],
  labels: Labels,
  top: number,
): { svg: string[]; height: number } {
  const svg: string[] = [];
  let [x, y] = [14, top];
  const add = (mark: (x: number, y: number) => string, words: string): void => {
    const width = 26 + 10.5 * [...words].length;
    if (x > 14 && x + width > WIDTH - RIGHT) [x, y] = [14, y + 28];
    svg.push(mark(x, y), textAt(x + 26, y + 6, words, { class: 'small' }));
    x += width + 14;
  };
  const block = (kind: string) => (x: number, y: number) => rectAt(x, y - 7, 20, 14, kind);
  if (bands.runs.length > 0) add((x, y) => `<path class="mean" d="M${px(x)} ${px(y)}H${px(x + 20)}"/>`, labels.value);
  if (limits.some(({ back }) => back !== undefined)) add(block('mark deadband warning'), labels.deadband);
  if (spans.some(({ observed }) => !observed)) add(block('alarm critical'), labels.alarm);
  if (bands.gaps.length > 0) add(block('bad gap'), labels.gap);
  if (bands.bad.length > 0) add((x, y) => rectAt(x, y - 4, 20, 8, 'bad'), labels.bad);
  return { svg, height: y - top };
}

function listOf(spans: readonly Span[], { to, labels }: Frame, y: number): { svg: string; height: number } {
  if (spans.length === 0) return { svg: '', height: 0 };
  const shown = spans.slice(0, MOST_LISTED);
  const lines = shown.map(({ rule, from, to: end, severity, observed }, i) =>
    textAt(
      14,
      y + 50 + i * 25,
      `${momentWords(from, to)}  ${shortened(rule, 24)}  ${end === undefined ? labels.open : lengthWords(end - from)}${observed ? ` (${labels.trial})` : ''}`,
      {
        class: `small ${severity satisfies Severity}`,
      },
    ),
  );
  if (spans.length > shown.length)
    lines.push(textAt(14, y + 50 + shown.length * 25, `+ ${spans.length - shown.length} ${labels.more}`, { class: 'small' }));
  return { svg: [textAt(14, y + 24, labels.alarms, { class: 'point' }), ...lines].join('\n'), height: 44 + lines.length * 25 };
}
