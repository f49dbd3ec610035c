/** A chart as an SVG document: one panel for each point, one time axis; light and dark, no script, nothing from elsewhere. Pure but for the zone of this machine. */
import { formatDuration } from '../../core/units.ts';
import { momentWords, zoneWords } from './axes.ts';
import type { Chart } from './chart.ts';
import { drawPanel, WIDTH } from './panel.ts';
import { escaped, px, shortened, textAt } from './svg.ts';

const LEFT = 72;
const HEAD = 92;

interface Colours {
  readonly paper: string;
  readonly ink: string;
  readonly faint: string;
  readonly grid: string;
  readonly line: string;
  readonly bad: string;
  readonly critical: string;
  readonly warning: string;
  readonly info: string;
}
/** People who see few colours can distinguish red from blue, and light from dark. */
const LIGHT: Colours = {
  ...{ paper: '#ffffff', ink: '#1b2530', faint: '#4f5d6b', grid: '#e1e6ec', line: '#0a5fb4', bad: '#59636e' },
  ...{ critical: '#c4231a', warning: '#a85a00', info: '#4a6a8a' },
};
const DARK: Colours = {
  ...{ paper: '#11171e', ink: '#e8eef4', faint: '#a9b6c3', grid: '#2b3642', line: '#62b1ff', bad: '#9aa6b2' },
  ...{ critical: '#ff7b70', warning: '#f2a93b', info: '#9fb8d0' },
};

export function drawChart(chart: Chart): string {
  let y = HEAD;
  const panels: string[] = [];
  for (const panel of chart.panels) {
    const { svg, height } = drawPanel(panel, chart, y);
    panels.push(svg);
    y += height;
  }
  const points = chart.panels.map((p) => p.point).join(', ');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${px(y)}" viewBox="0 0 ${WIDTH} ${px(y)}" role="img">`,
    `<title>${escaped(`${chart.title}: ${points}`)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${px(y)}"/>`,
    textAt(LEFT, 32, shortened(chart.title, 70), { class: 'title' }),
    textAt(LEFT, 54, rangeWords(chart), { class: 'small' }),
    ...legend(chart, 78),
    ...panels,
    '</svg>\n',
  ].join('\n');
}

function rangeWords({ from, to, width, estimated }: Chart): string {
  const unsure = estimated ? '; some times are estimated' : '';
  return `${momentWords(from, to)} to ${momentWords(to, 0)}, local time ${zoneWords(from, to)}; each step is ${formatDuration(width)}${unsure}`;
}

/** What the chart has, and no more. */
function legend({ panels }: Chart, y: number): string[] {
  const out: string[] = [];
  let x = LEFT;
  const add = (mark: (x: number) => string, words: string): void => {
    out.push(mark(x), textAt(x + 30, y, words, { class: 'small' }));
    x += 30 + 7 * words.length + 22;
  };
  const rect = (kind: string, at: number, height: number) =>
    `<rect class="${kind}" x="${at}" y="${y - 4 - height / 2}" width="22" height="${height}"/>`;
  if (panels.some((p) => p.buckets.some((b) => b.mean !== null))) {
    add((at) => `<path class="mean" d="M${at} ${y - 4}H${at + 22}"/>`, 'mean of a step');
    add((at) => rect('band', at, 12), 'lowest to highest');
  }
  if (panels.some((p) => p.limits.length > 0))
    add((at) => `<path class="limit warning" d="M${at} ${y - 4}H${at + 22}"/>`, 'limit of a rule');
  if (panels.some((p) => p.alarms.length > 0)) add((at) => rect('alarm critical', at, 12), 'alarm');
  if (panels.some((p) => p.buckets.some((b) => b.bad > 0))) add((at) => rect('bad', at, 6), 'bad readings');
  return out;
}

const shapes = (c: Colours): string =>
  [
    `.paper{fill:${c.paper}}`,
    `text{fill:${c.ink}}`,
    `.small,.nothing{fill:${c.faint}}`,
    `.grid{stroke:${c.grid}}`,
    `.axis{stroke:${c.faint}}`,
    `.mean,.range{stroke:${c.line}}`,
    `.band,.dot{fill:${c.line}}`,
    `.bad{fill:${c.bad}}`,
    `.label{stroke:${c.paper}}`,
    ...(['critical', 'warning', 'info'] as const).map(
      (s) => `text.${s},.alarm.${s},.mark.${s}{fill:${c[s]}}.limit.${s}{stroke:${c[s]}}`,
    ),
  ].join('');

export const STYLE = [
  'text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;font-size:14px}',
  '.title{font-size:21px;font-weight:600}.point{font-size:16px;font-weight:600}.small,.label{font-size:13px}.nothing{font-size:15px}',
  'path{fill:none}.grid,.axis{stroke-width:1}.mean{stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}.range{stroke-width:1.5;opacity:.5}',
  '.band{fill-opacity:.2;stroke:none}.alarm{fill-opacity:.13}.bad.some{fill-opacity:.45}.limit{stroke-width:1.4;stroke-dasharray:7 4}',
  '.label{stroke-width:4;paint-order:stroke;stroke-linejoin:round}',
  shapes(LIGHT),
  `@media (prefers-color-scheme:dark){${shapes(DARK)}}`,
].join('');
