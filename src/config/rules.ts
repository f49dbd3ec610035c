import type { Severity } from '../core/alarm.ts';
import type { Language } from '../core/languages.ts';
import type { Storage } from '../core/point.ts';
import { POINT_TYPES, storageOf } from '../core/point.ts';
import { checkAdvice } from './advice.ts';
import { unlikeFault } from './alike.ts';
import type { Section } from './checker.ts';
import { check, isSection, placeOf } from './checker.ts';
import type { LoadedDevice } from './devices.ts';
import type { Fault, Path } from './fault.ts';
import type { Kinds, ResolvedRule, RuleAround, RuleInput, RuleKindSchema } from './kinds.ts';
import { type ActionContext, resolveActions, type WrittenActions } from './rule-actions.ts';
import { policyFaults, policyOf, type WrittenPolicy } from './rule-policy.ts';
import { POINT, POINT_WORDS, RULE_KEYS, ruleSchema } from './sections.ts';
import { hint, meantWord } from './suggest.ts';
import { checkSuppression } from './suppression.ts';
import type { YamlSource } from './yaml-source.ts';
import { found, MISSING, quote } from './zod-words.ts';

interface RuleContext extends Pick<ActionContext, 'buses' | 'hooks' | 'around' | 'messages'> {
  readonly source: YamlSource;
  readonly kinds: Kinds;
  /** The language of the sentences that the gateway makes. */
  readonly language: Language;
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
    const named =
      typeof value.point === 'string' && POINT.test(value.point) ? pointOf(value.point, [...at, 'point'], context) : undefined;
    if (kind === undefined) continue;
    pointKey(value, kind, at, context);
    if (value.deadband !== undefined && kind.needs !== 'number')
      report(source.fault([...at, 'deadband'], `deadband has no meaning with ${kind.key}; remove it`, 'key'));
    if (kind.needs === 'number' && named !== undefined && !isNumber(named))
      report(
        source.fault(
          [...at, kind.key],
          `${kind.key} compares numbers, but ${named.device}.${named.point} is ${STORED[named.storage ?? 'string']}; write equals: instead`,
          'key',
        ),
      );
    if (checked === undefined) continue;
    for (const [key, words] of policyFaults(checked, kind.key)) report(source.fault([...at, key], words, 'key'));
    const setting =
      kind.resolve === undefined ? checked[kind.key] : kind.resolve(checked[kind.key], aroundOf([...at, kind.key], context));
    if (setting === undefined) continue;
    const inputs = kind.inputs?.(setting) ?? [];
    const others = inputs.map((input) => inputOf(input, [...at, kind.key], context));
    if (named !== undefined) compareUnits(named, others, inputs, [...at, kind.key], context);
    const wrong = kind.check?.(setting, checked.deadband ?? 0);
    if (wrong !== undefined) report(source.fault([...at, kind.key], wrong, 'key'));
    const acts = resolveActions(checked, at, context);
    const [point, ...further] = kind.own === false ? others : [named, ...others];
    if (point === undefined || further.includes(undefined)) continue;
    rules.set(name, {
      name,
      device: point.device,
      point: point.point,
      kind: kind.key,
      setting,
      deadband: checked.deadband ?? 0,
      onDelay: checked.onDelay,
      offDelay: checked.offDelay,
      severity: checked.severity,
      ...policyOf(checked, context.language),
      ...(kind.own === false && { own: false as const }),
      ...(further.length > 0 && { inputs: further.map((other) => `${other?.device}.${other?.point}`) }),
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
  acknowledge: 'optional' | 'required';
  observe: boolean;
  latch?: boolean;
  group?: string;
  suppressedBy?: readonly string[];
} & WrittenActions &
  WrittenPolicy &
  Record<string, unknown>;

const STORED = { boolean: 'true or false', string: 'a text', number: 'a number', integer64: 'a number' } as const;

/** `tank/level`, `Tank.Level` and `level` alone, where such a point exists. */
function pointWords(written: string, { devices }: RuleContext): string {
  const all = pointNames(devices);
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

/** Whether `point:` is there, exactly with the kinds that need it. */
function pointKey(value: Section, kind: RuleKindSchema, at: Path, { source, report }: RuleContext): void {
  if (kind.own === false) {
    if (value.point !== undefined)
      report(source.fault([...at, 'point'], `${kind.key} names its points itself; remove this key`, 'key'));
    return;
  }
  // A misspelt key has been reported as an unknown one already.
  const meant = Object.keys(value).some((key) => !RULE_KEYS.includes(key) && meantWord(key, RULE_KEYS) === 'point');
  if (value.point === undefined && !meant) report(source.fault([...at, 'point'], `${MISSING}; ${POINT_WORDS}`));
}

interface NamedPoint {
  readonly device: string;
  readonly point: string;
  readonly storage?: Storage | undefined;
  readonly unit?: string | undefined;
}

/** A condition that has a point of its own compares that with each of its further points. */
function compareUnits(
  own: NamedPoint,
  others: readonly (NamedPoint | undefined)[],
  inputs: readonly RuleInput[],
  kindAt: Path,
  { source, report }: RuleContext,
): void {
  const measured = ({ device, point, unit }: NamedPoint) => ({ point: `${device}.${point}`, unit });
  for (const [i, other] of others.entries()) {
    const words = other && unlikeFault(measured(own), measured(other));
    if (words !== undefined) report(source.fault([...kindAt, ...(inputs[i]?.at ?? [])], words));
  }
}

function isNumber({ storage }: NamedPoint): boolean {
  return storage === undefined || storage === 'number' || storage === 'integer64';
}

function pointOf(written: string, where: Path, { source, devices, report }: RuleContext): NamedPoint | undefined {
  const found = findPoint(written, devices);
  if (!('fault' in found)) return found;
  report(source.fault(where, found.fault));
  return undefined;
}

/** A further point of a condition, which may have to be a number. */
function inputOf({ point, at, needs }: RuleInput, kindAt: Path, context: RuleContext): NamedPoint | undefined {
  const found = pointOf(point, [...kindAt, ...at], context);
  if (found === undefined || needs === 'any' || isNumber(found)) return found;
  const words = `a number is compared here, but ${point} is ${STORED[found.storage ?? 'string']}`;
  context.report(context.source.fault([...kindAt, ...at], words));
  return undefined;
}

function findPoint(written: string, devices: RuleContext['devices']): { readonly fault: string } | NamedPoint {
  const dot = written.indexOf('.');
  if (dot === -1) return { fault: POINT_WORDS };
  const device = written.slice(0, dot);
  const point = written.slice(dot + 1);
  if (devices === undefined) return { device, point };
  const loaded = devices.get(device);
  if (loaded === undefined) return { fault: `there is no device ${quote(device)}${hint(device, devices.keys())}` };
  if (loaded.points === undefined) return { device, point };
  if (!loaded.points.has(point))
    return { fault: `the device ${device} has no point ${quote(point)}${hint(point, loaded.points.keys(), 20)}` };
  const settings = loaded.points.get(point);
  const unit = typeof settings?.unit === 'string' ? settings.unit : undefined;
  return { device, point, storage: settings === undefined ? undefined : storageOfPoint(settings), unit };
}

function aroundOf(kindAt: Path, { source, devices, report }: RuleContext): RuleAround {
  return {
    points: {
      find: (point) => {
        const found = findPoint(point, devices);
        return 'fault' in found ? found : { storage: found.storage, unit: found.unit };
      },
      all: () => pointNames(devices),
    },
    fault: (at, message, offset) => {
      const where = [...kindAt, ...at];
      report(offset === undefined ? source.fault(where, message) : source.faultInside(where, message, offset));
    },
  };
}

function pointNames(devices: RuleContext['devices']): string[] {
  return [...(devices ?? [])].flatMap(([device, { points }]) => [...(points?.keys() ?? [])].map((point) => `${device}.${point}`));
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
