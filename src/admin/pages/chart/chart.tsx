/** The chart of one point as a picture with its words. The table beside it has the same for those who cannot see it. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { AlarmChange } from '../../live/live-types.ts';
import { useShell } from '../parts/shell.ts';
import { dateTime, exactTime } from '../words/times.ts';
import { numberText, roundedTo, unitText, valueText } from '../words/values.ts';
import type { Words } from '../words/words.ts';
import { draw } from './draw.ts';
import { type ChartRow, type History, seriesOf } from './series.ts';
import 'uplot/dist/uPlot.min.css';

interface ChartProps {
  readonly history: History;
  readonly steps: boolean;
  readonly changes: readonly AlarmChange[];
}

export function Chart({ history, steps, changes }: ChartProps): JSX.Element {
  const { words } = useShell();
  const box = useRef<HTMLDivElement>(null);
  const series = useMemo(() => seriesOf(history), [history]);
  const [picked, setPicked] = useState<number>();
  const [drawn, setDrawn] = useState(0);
  const width = useWidth(box);

  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const again = (): void => setDrawn((n) => n + 1);
    dark.addEventListener('change', again);
    return () => dark.removeEventListener('change', again);
  }, []);
  useEffect(() => {
    if (box.current === null || width === 0) return;
    const begins = changes.filter(({ state }) => state === 'active-unacknowledged').map(({ time }) => ({ at: time / 1000 }));
    const plot = draw(box.current, series, {
      ...{ words, width, height: Math.max(220, Math.min(360, Math.round(width * 0.6))), steps, marks: begins },
      ...{ from: history.from / 1000, to: history.to / 1000, picked: setPicked },
    });
    return () => plot.destroy();
  }, [series, width, steps, changes, words, history, drawn]);

  const unit = unitText(history.unit);
  const spread = (series.highest ?? 0) - (series.lowest ?? 0);
  const number = (value: number | undefined): string => withUnit(words, value, unit, spread);
  const summary =
    series.lowest === undefined
      ? words.t('point.noNumbers')
      : words.t('point.summary', { min: number(series.lowest), mean: number(series.average), max: number(series.highest) });
  const label = words.t('point.chartLabel', {
    ...{ name: history.point, from: dateTime(words, history.from), to: dateTime(words, history.to), summary },
  });
  const row = picked === undefined ? undefined : series.rows.find(({ time }) => time >= timeAt(series.x[picked], history.width));
  return (
    <figure class="chart">
      <div ref={box} class="plot" role="img" aria-label={label} />
      <figcaption>
        <p class="picked">{row === undefined ? summary : pickedWords(words, row, number, series.single)}</p>
        <ul class="legend">
          <li class="line">{words.t('point.legendLine')}</li>
          {!series.single && <li class="band">{words.t('point.legendBand')}</li>}
          {series.gaps.length > 0 && <li class="gap">{words.t('point.legendGap')}</li>}
          {changes.length > 0 && <li class="mark">{words.t('point.legendAlarm')}</li>}
        </ul>
      </figcaption>
    </figure>
  );
}

const timeAt = (x: number | undefined, width: number | null): number => (x ?? 0) * 1000 - (width ?? 0) / 2 - 1;

function withUnit(words: Words, value: number | undefined, unit: string, spread: number): string {
  if (value === undefined) return '–';
  return `${words.digits(numberText(roundedTo(spread, value)))}${unit === '' ? '' : `\u202f${unit}`}`;
}

function pickedWords(words: Words, row: ChartRow, number: (value: number | undefined) => string, single: boolean): string {
  const when = single ? exactTime(words, row.time) : dateTime(words, row.time);
  const text = (value: ChartRow['mean']): string => (typeof value === 'number' ? number(value) : valueText(words, value));
  if (row.mean === null) return `${when}: ${words.t('point.gap')}`;
  if (single) return `${when}: ${text(row.mean)}`;
  return `${when}: ${words.t('point.summary', { min: text(row.min), mean: text(row.mean), max: text(row.max) })}`;
}

function useWidth(box: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const measure = (): void => setWidth(Math.floor(box.current?.clientWidth ?? 0));
    measure();
    addEventListener('resize', measure);
    return () => removeEventListener('resize', measure);
  }, [box]);
  return width;
}
