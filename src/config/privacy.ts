/** The classes of points and what follows from them for each forwarder, from the settings that a person wrote. */
import {
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
}

const NONE: ResolvedPrivacy = { points: {}, keep: {}, upstream: {} };

/** @returns undefined where no point has a class, and no class a rule */
export function resolvePrivacy(settings: PrivacySettings | undefined, points: PointClasses): ResolvedPrivacy | undefined {
  const rules = Object.entries(settings ?? {}).flatMap(([of, rule]) => (rule === undefined ? [] : [[of, rule] as const]));
  if (rules.length === 0 && Object.keys(points).length === 0) return undefined;
  const entries = <T>(value: (rule: (typeof rules)[number][1]) => T | undefined) =>
    Object.fromEntries(rules.flatMap(([of, rule]) => (value(rule) === undefined ? [] : [[of, value(rule)]])));
  return { points, keep: entries(({ keep }) => keep), upstream: entries(({ upstream }) => upstream) };
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
  return held.some((of) => all.has(of as PrivacyClass)) ? { closed, windowed, round, points: privacy.points } : undefined;
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
