/** The page of `sluice status --watch`: what is wrong first, then the last minutes of each point. Pure. */
import type { GatewayStatus, TailReading } from '../../admin/target.ts';
import { localDate, localTime } from '../local-time.ts';
import { nameOf, wrongText } from '../status-page.ts';
import { type Line, type Look, painted, span } from '../terminal/line.ts';
import { gridOf, pointRow, type ShownPoint } from '../terminal/point-rows.ts';
import type { Size } from '../terminal/screen.ts';
import { column, wrap } from '../terminal/text.ts';
import type { WatchedPoint } from './feed.ts';

export interface Watched {
  readonly status: GatewayStatus;
  /** UTC ms by the gateway's clock. */
  readonly now: number;
  readonly awaySince: number | undefined;
  readonly points: readonly WatchedPoint[];
  /** There are points that the page does not keep. */
  readonly hasMore: boolean;
  readonly valueWidth: number;
  /** The first point that is shown. */
  readonly from: number;
}

/** Rows of a page that is turned: those with points. */
export function pointRows(watched: Watched, { rows, columns }: Size): number {
  return Math.max(0, rows - above(watched, columns, rows).length - 2);
}

/** @returns lines of the page; `from` beyond the last page shows the last page */
export function watchPage(watched: Watched, size: Size, look: Look): Line[] {
  const { points, now, from, valueWidth } = watched;
  const top = above(watched, size.columns, size.rows);
  const fitting = pointRows(watched, size);
  const first = Math.max(0, Math.min(from, points.length - fitting));
  const alarms = new Map(
    watched.status.alarms.filter(({ state }) => state.startsWith('active')).map(({ point, severity }) => [point, severity]),
  );
  const shown = points.slice(first, first + fitting).map((p): ShownPoint => {
    const alarm = alarms.get(`${p.device}.${p.point}`);
    return { ...p, reading: p.reading ?? unread(p, now), alarm };
  });
  // Over all points, so that turning a page moves no column.
  const grid = gridOf(points, valueWidth, size.columns);
  const before = ' '.repeat(1 + grid.device + 2 + grid.point + 1 + grid.value + 9);
  const head = points.length === 0 ? ' No reading has come yet.' : before + column('last 5 minutes', grid.cells);
  const rows = shown.map((p, i) => pointRow(p, grid, p.device !== shown[i - 1]?.device, now, look));
  return [...top, [span(head, 'dim')], ...rows, footer(watched, first, shown.length)].slice(-size.rows);
}

function above(watched: Watched, columns: number, rows: number): Line[] {
  const { status, now, awaySince } = watched;
  const title: Line = [span(nameOf(status), 'bold'), span(`  ${localDate(now)}`, 'dim')];
  if (awaySince !== undefined) {
    const words = `The gateway does not answer since ${localTime(awaySince, now)}. It is asked again every second; below is what was known.`;
    return [title, ...wrap(words, columns).map((text): Line => [span(text, 'strong')]), []];
  }
  const wrong = wrongText(status, columns);
  // Points need room as well, and the whole list is a command away.
  const most = Math.max(1, Math.floor(rows / 2) - 2);
  const lines = wrong.length <= most ? wrong : [...wrong.slice(0, Math.max(1, most - 1)), '  … and more: sluice status'];
  return rows < 8 ? [painted(wrong[0] ?? '')] : [title, ...lines.map(painted), []];
}

function footer({ points, hasMore }: Watched, first: number, shown: number): Line {
  const many = hasMore ? `more than ${points.length}` : String(points.length);
  const part =
    shown === points.length && !hasMore ? '' : `points ${first + 1} to ${first + shown} of ${many}   space next page, b back   `;
  return [span(` ${part}q ends`, 'dim')];
}

/** The history has the point, and its next reading is waited for. */
function unread({ device, point }: WatchedPoint, now: number): TailReading {
  return { type: 'reading', time: now, device, point, value: '', quality: 'good' };
}
