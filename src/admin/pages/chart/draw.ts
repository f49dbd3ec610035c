/** The chart on its canvas. Colours come from the style sheet, so that light and dark hold here too. */
import uPlot from 'uplot';
import { clockTime, dateTime } from '../words/times.ts';
import { numberText } from '../words/values.ts';
import type { Words } from '../words/words.ts';
import type { Series } from './series.ts';

export interface Mark {
  /** Seconds. */
  readonly at: number;
}

export interface DrawOptions {
  readonly words: Words;
  readonly width: number;
  readonly height: number;
  /** Seconds. */
  readonly from: number;
  readonly to: number;
  /** Values hold until the next one. */
  readonly steps: boolean;
  readonly marks: readonly Mark[];
  /** What the finger or mouse is on; undefined: nothing. */
  picked(index: number | undefined): void;
}

export function draw(into: HTMLElement, series: Series, o: DrawOptions): uPlot {
  const style = getComputedStyle(into);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const line = colour('--line');
  const axis: uPlot.Axis = {
    stroke: colour('--text'),
    grid: { stroke: colour('--grid'), width: 1 },
    ticks: { stroke: colour('--grid'), width: 1 },
    font: `12px ${style.fontFamily}`,
  };
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const paths = o.steps && stepped !== undefined ? { paths: stepped } : {};
  const long = o.to - o.from > 2 * 86_400;
  return new uPlot(
    {
      width: o.width,
      height: o.height,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
      scales: { x: { time: true, range: () => [o.from, o.to] }, y: { range: rangeOf } },
      axes: [
        {
          ...axis,
          space: 70,
          values: (_, ticks) =>
            ticks.map((at) => (long ? dateTime(o.words, at * 1000).slice(5, 10) : clockTime(o.words, at * 1000).slice(0, 5))),
        },
        { ...axis, size: 58, values: (_, ticks) => ticks.map((value) => o.words.digits(numberText(value))) },
      ],
      series: [
        {},
        { stroke: 'transparent', points: { show: false }, ...paths },
        { stroke: 'transparent', points: { show: false }, ...paths },
        { stroke: line, width: 2, points: { size: 5, fill: line }, ...paths },
      ],
      bands: [{ series: [2, 1], fill: colour('--band') }],
      hooks: {
        drawClear: [(plot) => gaps(plot, series, colour('--gap'))],
        draw: [(plot) => marks(plot, o.marks, colour('--mark'))],
        setCursor: [(plot) => o.picked(plot.cursor.idx ?? undefined)],
      },
    },
    [series.x, series.low, series.high, series.mean],
    into,
  );
}

/** A flat line stands in the middle, and not on the edge. */
function rangeOf(_: uPlot, min: number | null, max: number | null): uPlot.Range.MinMax {
  if (min === null || max === null) return [0, 1];
  const margin = max === min ? Math.abs(max) * 0.05 || 1 : (max - min) * 0.08;
  return [min - margin, max + margin];
}

function gaps({ ctx, bbox, valToPos }: uPlot, series: Series, fill: string): void {
  ctx.save();
  ctx.fillStyle = fill;
  for (const [from, to] of series.gaps) {
    const left = Math.max(bbox.left, valToPos(from, 'x', true));
    const right = Math.min(bbox.left + bbox.width, valToPos(to, 'x', true));
    if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
  }
  ctx.restore();
}

function marks({ ctx, bbox, valToPos }: uPlot, all: readonly Mark[], stroke: string): void {
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.fillStyle = stroke;
  ctx.lineWidth = 2;
  ctx.setLineDash([6, 4]);
  for (const { at } of all) {
    const x = valToPos(at, 'x', true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    // A sign as well as a line: two lines of one colour look alike.
    ctx.beginPath();
    ctx.moveTo(x - 7, bbox.top);
    ctx.lineTo(x + 7, bbox.top);
    ctx.lineTo(x, bbox.top + 11);
    ctx.fill();
  }
  ctx.restore();
}
