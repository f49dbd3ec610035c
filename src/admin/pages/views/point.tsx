/** One point: its newest reading, its chart of an hour, a day or a month, and the same as a table. */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { AlarmChange, AlarmChanges } from '../../live/live-types.ts';
import { Chart } from '../chart/chart.tsx';
import { type ChartRow, type History, seriesOf } from '../chart/series.ts';
import { hrefOfDevice } from '../gateway/route.ts';
import { refusalWords, useShell } from '../parts/shell.ts';
import { More, useSlice } from '../parts/slice.tsx';
import { Age, Badge, Name, Value } from '../parts/small.tsx';
import { useAsked } from '../parts/use-asked.ts';
import { dateTime, exactTime } from '../words/times.ts';
import { reasonWords, roundedTo, valueText } from '../words/values.ts';

const RANGES = {
  hour: { words: 'point.hour', from: '1h', every: 60_000 },
  day: { words: 'point.day', from: '24h', every: 300_000 },
  month: { words: 'point.month', from: '30d', every: 900_000 },
} as const;
type Range = keyof typeof RANGES;
/** A phone has about so many places for a line; each costs a hundred bytes on a slow link. */
const BUCKETS = 150;
const ROWS = 40;
const CHANGES = 20;
const NO_CHANGES: readonly AlarmChange[] = [];

export function PointView({ device, point }: { device: string; point: string }): JSX.Element {
  const { words, model } = useShell();
  const [range, setRange] = useState<Range>('day');
  const [asTable, setAsTable] = useState(false);
  const name = `${device}.${point}`;
  const info = model.inventory[device]?.points?.[point];
  const reading = model.readings.get(device)?.get(point);
  const asked = `point=${encodeURIComponent(name)}&from=${RANGES[range].from}`;
  const history = useAsked<History>(`/api/v1/history?${asked}&buckets=${BUCKETS}`, RANGES[range].every);
  const changes = useAsked<AlarmChanges>(`/api/v1/alarm-changes?${asked}`, RANGES[range].every);
  return (
    <>
      <p>
        <a href={hrefOfDevice(device)}>{words.t('point.back', { name: device })}</a>
      </p>
      <p class="newest">
        <Value reading={reading} unit={info?.unit} type={info?.type} /> {reading !== undefined && <Age time={reading[0]} />}
      </p>
      <section class="card">
        <fieldset class="buttons">
          <legend class="unseen">{words.t('point.range')}</legend>
          {(['hour', 'day', 'month'] as const).map((one) => (
            <button key={one} type="button" class="choice" aria-pressed={one === range} onClick={() => setRange(one)}>
              {words.t(RANGES[one].words)}
            </button>
          ))}
          <button type="button" class="second" onClick={() => setAsTable(!asTable)}>
            {words.t(asTable ? 'point.asChart' : 'point.asTable')}
          </button>
        </fieldset>
        <div aria-busy={history.answer === undefined && history.fault === undefined}>
          {history.fault?.code === 'not-found' && <p class="empty">{words.t('point.empty')}</p>}
          {history.fault !== undefined && history.fault.code !== 'not-found' && (
            <p class="fault" role="alert">
              {refusalWords(words, history.fault)}
            </p>
          )}
          {history.answer === undefined ? (
            history.fault === undefined && <p class="loading">{words.t('app.loading')}</p>
          ) : (
            <Drawn history={history.answer} type={info?.type} asTable={asTable} changes={changes.answer?.changes ?? NO_CHANGES} />
          )}
        </div>
        <p class="quiet">{words.t('point.committed')}</p>
      </section>
      {changes.answer !== undefined && changes.answer.changes.length > 0 && <Changes answer={changes.answer} />}
    </>
  );
}

interface DrawnProps {
  readonly history: History;
  readonly type: string | undefined;
  readonly asTable: boolean;
  readonly changes: readonly AlarmChange[];
}

function Drawn({ history, type, asTable, changes }: DrawnProps): JSX.Element {
  const { words } = useShell();
  const { rows, lowest, highest, single } = useMemo(() => seriesOf(history), [history]);
  if (rows.length === 0) return <p class="empty">{words.t('point.empty')}</p>;
  if (asTable || (single && lowest === undefined)) {
    const spread = (highest ?? 0) - (lowest ?? 0);
    return <Table rows={rows} single={single} spread={spread} type={type} name={history.point} />;
  }
  return <Chart history={history} steps={type === 'bool'} changes={changes} />;
}

interface TableProps {
  readonly rows: readonly ChartRow[];
  readonly single: boolean;
  /** Highest minus lowest. */
  readonly spread: number;
  readonly type: string | undefined;
  readonly name: string;
}

function Table({ rows, single, spread, type, name }: TableProps): JSX.Element {
  const { words } = useShell();
  // The newest is what people look for.
  const slice = useSlice(
    useMemo(() => [...rows].reverse(), [rows]),
    ROWS,
  );
  const text = (value: ChartRow['mean']): string =>
    valueText(words, typeof value === 'number' && !single ? roundedTo(spread, value) : value, type);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys */}
      <section class="wide" aria-label={name} tabIndex={0}>
        <table>
          <caption class="unseen">{words.t('point.title', { name })}</caption>
          <thead>
            <tr>
              <th scope="col">{words.t('point.time')}</th>
              {single ? (
                <th scope="col">{words.t('table.value')}</th>
              ) : (
                <>
                  <th scope="col">{words.t('point.min')}</th>
                  <th scope="col">{words.t('point.mean')}</th>
                  <th scope="col">{words.t('point.max')}</th>
                  <th scope="col">{words.t('point.count')}</th>
                  <th scope="col">{words.t('point.bad')}</th>
                </>
              )}
            </tr>
          </thead>
          <tbody>
            {slice.shown.map((row) => (
              <tr key={row.time}>
                <th scope="row">{single ? exactTime(words, row.time) : dateTime(words, row.time)}</th>
                {single ? (
                  <td>
                    <bdi>{row.mean === null ? reasonWords(words, row.reason) : text(row.mean)}</bdi>
                  </td>
                ) : (
                  <>
                    <td>{text(row.min)}</td>
                    <td>{text(row.mean)}</td>
                    <td>{text(row.max)}</td>
                    <td>{words.number(row.count)}</td>
                    <td>{words.number(row.bad)}</td>
                  </>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <More slice={slice} size={ROWS} words="devices.more" />
    </>
  );
}

function Changes({ answer }: { answer: AlarmChanges }): JSX.Element {
  const { words } = useShell();
  const slice = useSlice(
    useMemo(() => [...answer.changes].reverse(), [answer]),
    CHANGES,
  );
  return (
    <section class="card">
      <h2>{words.t('point.alarmMarks')}</h2>
      {answer.cut && <p class="quiet">{words.t('point.marksCut', { n: answer.changes.length })}</p>}
      <ul class="changes">
        {slice.shown.map((change) => (
          <li key={`${change.rule} ${change.occurrence} ${change.state} ${change.time}`}>
            <span>{dateTime(words, change.time)}</span>{' '}
            <Badge mood={change.severity === 'critical' ? 'bad' : change.severity === 'warning' ? 'warn' : 'quiet'}>
              {words.t(`alarms.severity.${change.severity}`)}
            </Badge>{' '}
            <Name>{change.rule}</Name> <span>{words.t(`alarms.state.${change.state}`)}</span>
            <p class="quiet">
              <bdi>{words.message(change)}</bdi>
              {change.cause !== undefined && <span>{words.t(`alarms.cause.${change.cause}`)}</span>}
            </p>
          </li>
        ))}
      </ul>
      <More slice={slice} size={CHANGES} words="devices.more" />
    </section>
  );
}
