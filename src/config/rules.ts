import type { Severity } from '../core/alarm.ts';
import type { Storage } from '../core/point.ts';
import { POINT_TYPES, storageOf } from '../core/point.ts';
import { checkAdvice } from './advice.ts';
import type { Section } from './checker.ts';
import { check, isSection, placeOf } from './checker.ts';
import type { LoadedDevice } from './devices.ts';
import type { Fault, Path } from './fault.ts';
import type { Kinds, ResolvedRule } from './kinds.ts';
import { type ActionContext, resolveActions, type WrittenActions } from './rule-actions.ts';
import { POINT, POINT_WORDS, RULE_KEYS, ruleSchema } from './sections.ts';
import { hint, meantWord } from './suggest.ts';
import { checkSuppression } from './suppression.ts';
import type { YamlSource } from './yaml-source.ts';
import { found } from './zod-words.ts';

interface RuleContext extends Pick<ActionContext, 'buses' | 'hooks' | 'around'> {
  readonly source: YamlSource;
  readonly kinds: Kinds;
  /** Absent: the section could not be read, so nothing can be called missing. */
  readonly devices: ReadonlyMap<string, LoadedDevice> | undefined;
  readonly report: (fault: Fault) => void;
}

export function resolveRules(written: readonly [string, unknown][], context: RuleContext): Map<string, ResolvedRule> {
  const rules = new Map<string, ResolvedRule>();
  if (written.length === 0) return rules;
  const schema = ruleSchema(context.kinds);
  for (const [name, value] of written) {
    const { source, report } = context;
    const at: Path = ['rules', name];
    if (!isSection(value)) {
      report(source.fault(at, `write a section with point: and what is watched (above:, below: …); this is ${found(value)}`));
      continue;
    }
    const checked = check(schema, value, placeOf(source, at), (fault) =>
      report(fault.message === POINT_WORDS ? { ...fault, message: pointWords(String(value.point), context) } : fault),
    ) as RuleOutput | undefined;
    const kind = oneKind(value, at, context);
    const point =
      typeof value.point === 'string' && POINT.test(value.point) ? pointOf(value.point, [...at, 'point'], context) : undefined;
    if (kind === undefined) continue;
    if (value.deadband !== undefined && kind.needs !== 'number')
      report(source.fault([...at, 'deadband'], `deadband has no meaning with ${kind.key}; remove it`, 'key'));
    if (point?.storage !== undefined && kind.needs === 'number' && point.storage !== 'number' && point.storage !== 'integer64')
      report(
        source.fault(
          [...at, kind.key],
          `${kind.key} compares numbers, but ${point.device}.${point.point} is ${STORED[point.storage]}; write equals: instead`,
          'key',
        ),
      );
    if (checked === undefined) continue;
    const inputs = kind.inputs?.(checked[kind.key]) ?? [];
    const others = inputs.map((other) => pointOf(other, [...at, kind.key], context));
    const wrong = kind.check?.(checked[kind.key], checked.deadband ?? 0);
    if (wrong !== undefined) report(source.fault([...at, kind.key], wrong, 'key'));
    const acts = resolveActions(checked, at, context);
    if (point === undefined || others.includes(undefined)) continue;
    rules.set(name, {
      name,
      device: point.device,
      point: point.point,
      kind: kind.key,
      setting: checked[kind.key],
      deadband: checked.deadband ?? 0,
      onDelay: checked.onDelay,
      offDelay: checked.offDelay,
      severity: checked.severity,
      message: checked.message,
      ...(inputs.length > 0 && { inputs }),
      ...(checked.acknowledge === 'required' && { mustAcknowledge: true }),
      ...(checked.observe && { observe: true as const }),
      ...acts,
      ...(checked.latch === true && { latch: true }),
      ...(checked.group !== undefined && { group: checked.group }),
      ...(checked.suppressedBy !== undefined && { suppressedBy: checked.suppressedBy }),
    });
  }
  checkSuppression(written, context);
  checkAdvice(written, context);
  return rules;
}

type RuleOutput = {
  deadband?: number;
  onDelay: number;
  offDelay: number;
  severity: Severity;
  message?: string;
  acknowledge: 'optional' | 'required';
  observe: boolean;
  latch?: boolean;
  group?: string;
  suppressedBy?: readonly string[];
} & WrittenActions &
  Record<string, unknown>;

const STORED = { boolean: 'true or false', string: 'a text', number: 'a number', integer64: 'a number' } as const;

/** `tank/level`, `Tank.Level` and `level` alone, where such a point exists. */
function pointWords(written: string, { devices }: RuleContext): string {
  const all = [...(devices ?? [])].flatMap(([device, { points }]) =>
    [...(points?.keys() ?? [])].map((point) => `${device}.${point}`),
  );
  const text = written
    .slice(0, 200)
    .toLowerCase()
    .replaceAll(/[/\s:>]+/g, '.');
  const meant = all.filter((name) => name === text || name.endsWith(`.${text}`)).slice(0, 5);
  return meant.length === 0 ? POINT_WORDS : `write device.point; did you mean ${meant.join(' or ')}?`;
}

function oneKind(value: Section, at: Path, { source, kinds, report }: RuleContext) {
  // In the order written.
  const given = Object.keys(value).flatMap((key) => kinds.rules.find((kind) => kind.key === key) ?? []);
  const [first, second] = given;
  if (first === undefined) {
    // A misspelt kind key has been reported as an unknown key already.
    const misspelt = Object.keys(value).some(
      (key) =>
        meantWord(
          key,
          kinds.rules.map((kind) => kind.key),
        ) && !RULE_KEYS.includes(key),
    );
    const all = kinds.rules.map((kind) => `${kind.key}:`).join(' ');
    if (!misspelt) report(source.fault(at, `the rule has no condition; write one of ${all}`, 'key'));
    return undefined;
  }
  if (second !== undefined) {
    report(
      source.fault(
        [...at, second.key],
        `a rule has one condition, and this one already has ${first.key}; write another rule with ${second.key}`,
        'key',
      ),
    );
    return undefined;
  }
  return first;
}

function pointOf(
  written: string,
  where: Path,
  { source, devices, report }: RuleContext,
): { device: string; point: string; storage?: Storage | undefined } | undefined {
  const dot = written.indexOf('.');
  if (dot === -1) return undefined;
  const device = written.slice(0, dot);
  const point = written.slice(dot + 1);
  if (devices === undefined) return { device, point };
  const loaded = devices.get(device);
  if (loaded === undefined) {
    report(source.fault(where, `there is no device "${device}"${hint(device, devices.keys())}`));
    return undefined;
  }
  if (loaded.points === undefined) return { device, point };
  if (!loaded.points.has(point)) {
    report(source.fault(where, `the device ${device} has no point "${point}"${hint(point, loaded.points.keys(), 20)}`));
    return undefined;
  }
  const settings = loaded.points.get(point);
  return { device, point, storage: settings === undefined ? undefined : storageOfPoint(settings) };
}

/** How a point's values are held, from the keys that the points of all drivers have in common. */
export function storageOfPoint(settings: Section): Storage | undefined {
  const type = POINT_TYPES.find((known) => known === settings.type);
  if (type === undefined) return undefined;
  // A label takes the place of the number, whatever the number is.
  if (settings.enum !== undefined) return 'string';
  if (settings.bit !== undefined) return 'boolean';
  const scaled =
    (settings.scale !== undefined && settings.scale !== 1) ||
    (settings.offset !== undefined && settings.offset !== 0) ||
    settings.scaleFactor !== undefined;
  return storageOf(type, scaled);
}
