/** The classes of points and what follows from them for each forwarder, from the settings that a person wrote. */
import {
  classNow,
  isNumber,
  isPersonal,
  type Outward,
  type PointClasses,
  PRIVACY_CLASSES,
  type PrivacyClass,
  type Retention,
} from '../core/privacy.ts';
import type { PrivacySettings } from './privacy-keys.ts';

/** How a class leaves; milliseconds. */
export type ClassUpstream = 'never' | { readonly aggregate?: number | undefined; readonly round?: number | undefined };

export interface ResolvedPrivacy extends Retention {
  readonly upstream: Readonly<Partial<Record<PrivacyClass, ClassUpstream>>>;
  /** Types of the points that leave coarser than they are read. Absent: nobody knows them. */
  readonly types?: Readonly<Record<string, string>> | undefined;
}

/** A point as the configuration has it; `*`: further ones come while the gateway runs. */
export interface ConfiguredPoint {
  readonly device: string;
  readonly name: string;
  /** As inventories say it. */
  readonly type: string;
}

const NONE: ResolvedPrivacy = { points: {}, keep: {}, upstream: {} };

/**
 * @param all every point; absent: only what has a class is known
 * @returns undefined where no point has a class, and no class a rule
 */
export function resolvePrivacy(
  settings: PrivacySettings | undefined,
  points: PointClasses,
  all?: Iterable<ConfiguredPoint>,
): ResolvedPrivacy | undefined {
  const rules = Object.entries(settings ?? {}).flatMap(([of, rule]) => (rule === undefined ? [] : [[of, rule] as const]));
  if (rules.length === 0 && Object.keys(points).length === 0) return undefined;
  const entries = <T>(value: (rule: (typeof rules)[number][1]) => T | undefined) =>
    Object.fromEntries(rules.flatMap(([of, rule]) => (value(rule) === undefined ? [] : [[of, value(rule)]])));
  const upstream: ResolvedPrivacy['upstream'] = entries((rule) => rule.upstream);
  const rest = { keep: entries(({ keep }) => keep), upstream };
  return all === undefined ? { points, ...rest } : { ...writtenDown(upstream, points, all), ...rest };
}

/** Texts are searched for names of points with a class, so those stand here one by one that a text could not be searched for otherwise. */
function writtenDown(
  upstream: ResolvedPrivacy['upstream'],
  points: PointClasses,
  all: Iterable<ConfiguredPoint>,
): Pick<ResolvedPrivacy, 'points' | 'types'> {
  const classes: Record<string, PrivacyClass> = { ...points };
  const types: Record<string, string> = {};
  for (const { device, name, type } of all) {
    const key = `${device}.${name}`;
    const written = classNow(points, device, name);
    if (written === undefined && upstream.technical === undefined) continue;
    const of = written ?? 'technical';
    // A rule for technical points holds for those without a class too.
    if (written === undefined || isNumber(device, name)) classes[key] = of;
    if (typeof upstream[of] === 'object') types[key] = type;
  }
  return { points: classes, types };
}

/** The settings of a forwarder that count here. */
export interface ForwarderPrivacy {
  readonly purpose?: string | undefined;
  readonly filter?:
    | {
        readonly devices?: readonly string[] | undefined;
        readonly points?: readonly string[] | undefined;
        readonly every?: number | undefined;
        readonly as?: string | undefined;
      }
    | undefined;
}

/**
 * What a forwarder may have.
 * @param known classes that any reading has, now or in the log
 * @returns undefined where nothing is held back
 */
export function outwardOf(
  privacy: ResolvedPrivacy = NONE,
  { purpose, filter }: ForwarderPrivacy,
  known: Iterable<PrivacyClass> = Object.values(privacy.points),
): Outward | undefined {
  const closed: PrivacyClass[] = [];
  const windowed: PrivacyClass[] = [];
  const round: Partial<Record<PrivacyClass, number>> = {};
  for (const word of PRIVACY_CLASSES) {
    const rule = privacy.upstream[word];
    if (rule === 'never' || (isPersonal(word) && purpose === undefined)) closed.push(word);
    else if (rule?.aggregate !== undefined) (isWide(filter, rule.aggregate) ? windowed : closed).push(word);
    if (rule !== undefined && rule !== 'never' && rule.round !== undefined) round[word] = rule.round;
  }
  // Every point without a class is technical.
  const all = new Set<PrivacyClass>(['technical', ...known]);
  const held = [...closed, ...windowed, ...Object.keys(round)];
  return held.some((of) => all.has(of as PrivacyClass))
    ? { closed, windowed, round, points: privacy.points, ...(privacy.types && { types: privacy.types }) }
    : undefined;
}

/** Whether windows of a filter are means of at least that width. */
function isWide(filter: ForwarderPrivacy['filter'], width: number): boolean {
  return filter?.every !== undefined && filter.every >= width && (filter.as ?? 'mean') === 'mean';
}

/** Whether the filter of a forwarder names a point. */
export function filterWants(filter: ForwarderPrivacy['filter'], device: string, point: string): boolean {
  const { devices, points } = filter ?? {};
  if (devices === undefined && points === undefined) return true;
  const names = [`${device}.${point}`, `${device}.*`, `*.${point}`];
  return devices?.includes(device) === true || points?.some((one) => names.includes(one)) === true;
}
