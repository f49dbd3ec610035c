/** The key `filter` of a forwarder: what of the log leaves, in every format. */
import * as z from 'zod';
import type { RecordFilter } from '../../codecs/record-filter.ts';
import { Selection } from '../../codecs/record-filter.ts';
import { WINDOW_VALUES, type WindowValue } from '../../codecs/thinning.ts';
import type { NamedTarget } from '../../config/kinds.ts';
import { duration, name } from '../../config/schema-parts.ts';
import { SEVERITIES, type Severity } from '../../core/alarm.ts';
import type { Inventory } from '../../core/ports.ts';
import { type Outward, withoutWindows } from '../../core/privacy.ts';
import type { Dialect } from './dialect.ts';

/** Names in one list. */
const MOST_NAMES = 1000;
const PART = '[a-z0-9][a-z0-9_-]*';
const POINT = new RegExp(`^(${PART}\\.(${PART}|\\*)|\\*\\.${PART})$`);

const list = <T extends z.ZodType>(of: T) => z.array(of).min(1).max(MOST_NAMES).optional();

export const filterKey = () =>
  z
    .strictObject({
      devices: list(name()).describe('Devices whose readings leave.'),
      points: list(z.string().max(130).regex(POINT, { error: 'write device.point, device.* or "*.point"' })).describe(
        'Points whose readings leave: `device.point`, `device.*` or `*.point`. With `devices` as well, a reading leaves when either names it.',
      ),
      every: duration({ min: 1000, max: 3_600_000 })
        .refine((ms) => 86_400_000 % ms === 0, {
          error: 'windows begin at midnight UTC, so a day has to be a multiple of this: 10s, 1m, 5m, 15m, 1h',
        })
        .optional()
        .describe(
          'One value for each point and window of this width, instead of each reading. Windows are aligned to the clock: `1m` is each minute of UTC. The time of a value is the end of its window.',
        ),
      as: z
        .enum(WINDOW_VALUES)
        .optional()
        .describe(
          'With `every`: the value of a window, made of its readings. Without it: `mean`. Texts, booleans and points with `counter` always have their last reading.',
        ),
      severities: list(z.enum(SEVERITIES)).describe('Severities of the alarms and events that leave. Without it: all.'),
    })
    .refine(({ as, every }) => as === undefined || every !== undefined, {
      path: ['as'],
      error: 'this belongs to every; write every: 1m beside it, or remove it',
    })
    .refine((written) => Object.values(written).some((value) => value !== undefined), {
      error: 'this leaves nothing out; write devices, points, every or severities, or remove it',
    })
    .optional()
    .describe(
      'The part of the log that leaves. Without it: everything. A change of it keeps the cursor; readings that were left out until then do not come later.',
    );

export interface FilterSettings {
  readonly devices?: readonly string[] | undefined;
  readonly points?: readonly string[] | undefined;
  /** Milliseconds. */
  readonly every?: number | undefined;
  readonly as?: WindowValue | undefined;
  readonly severities?: readonly Severity[] | undefined;
}

/** What the filter names, with its place in the settings of a forwarder. */
export function* namedTargets({ filter }: { readonly filter?: FilterSettings | undefined }): Generator<NamedTarget> {
  for (const [i, device] of (filter?.devices ?? []).entries()) yield { path: ['filter', 'devices', i], target: device };
  for (const [i, point] of (filter?.points ?? []).entries()) yield { path: ['filter', 'points', i], target: point };
}

/** What the chosen dialect cannot do. */
export function* filterFaults(
  settings: Readonly<Record<string, unknown>>,
  dialects: readonly Dialect[],
): Generator<{ readonly path: string[]; readonly message: string }> {
  const dialect = dialects.find(({ name }) => name === settings.format);
  if (settings.filter === undefined || dialect === undefined) return;
  const { every, as = 'mean' } = settings.filter as FilterSettings;
  if (dialect.kind === 'live') {
    const why = 'it shows the latest value of a point';
    if (every !== undefined)
      yield { path: ['filter', 'every'], message: `format: ${dialect.name} takes no windows, since ${why}; remove this` };
    return;
  }
  if (dialect.typed !== undefined && every !== undefined && as === 'mean')
    yield {
      path: ['filter', 'every'],
      message: `format: ${dialect.name} takes no means, since ${dialect.typed}; write as: last, min or max beside this`,
    };
}

/**
 * The part of the filter that is about readings; undefined where it leaves none out.
 * @param counters points that only grow, as they are at each question
 * @param gather how long a window that is over waits for others, milliseconds
 * @param outward what of classified readings it may have
 */
export function recordFilter(
  settings: FilterSettings = {},
  counters: () => Iterable<string> = () => [],
  gather = 0,
  outward?: Outward | undefined,
): RecordFilter | undefined {
  const { devices, points, every, as = 'mean' } = settings;
  const open = every === undefined ? withoutWindows(outward) : outward;
  if (devices === undefined && points === undefined && every === undefined && open === undefined) return undefined;
  const thinning = every && {
    ...{ every, as },
    // Plain data when it is copied for the keeper.
    get last() {
      return [...counters()];
    },
  };
  return { devices, points, ...(thinning ? { thinning, gather } : {}), ...(open === undefined ? {} : { outward: open }) };
}

/** Whether an alarm or an event leaves. @param json as topics carry it */
export function severityLeaves(filter: FilterSettings | undefined, json: string): boolean {
  if (filter?.severities === undefined) return true;
  return ofSeverity(filter, (JSON.parse(json) as { readonly severity?: Severity }).severity);
}

/** Whether what has this severity leaves; what has none does. */
export function ofSeverity({ severities }: FilterSettings = {}, severity: Severity | undefined): boolean {
  return severity === undefined || severities === undefined || severities.includes(severity);
}

/** The inventory without what never leaves. @param json of `…/inventory` */
export function filteredInventory(filter: RecordFilter | undefined, json: string): string {
  const selection = new Selection(filter);
  if (selection.all) return json;
  const inventory = JSON.parse(json) as Inventory;
  const devices = Object.entries(inventory.devices ?? {}).flatMap(([device, about]) => {
    const points = Object.entries(about.points).filter(([name, { type }]) => selection.wants(device, { name, type }));
    return points.length === 0 ? [] : [[device, { ...about, points: Object.fromEntries(points) }] as const];
  });
  return JSON.stringify({ ...inventory, devices: Object.fromEntries(devices) });
}
