/** From the actions as written to those that the gateway does, and what is wrong with each on its own. What they do to each other: action-conflicts.ts. */
import type { ConflictSite } from './action-conflicts.ts';
import type { ResolvedAction, ResolvedEscalation, ResolvedHook, Trigger } from './actions.ts';
import { ACTION_KEYS, DEFAULT_WITHIN } from './actions.ts';
import { isSection, type Section } from './checker.ts';
import type { LoadedBus, LoadedDevice } from './devices.ts';
import type { Fault, Path } from './fault.ts';
import type { Around, ResolvedRule } from './kinds.ts';
import { type MessageSite, publishFault } from './rule-messages.ts';
import { hint } from './suggest.ts';
import type { YamlSource } from './yaml-source.ts';
import { quote } from './zod-words.ts';

/** Places for texts of an alarm. */
export const PLACES = ['message', 'rule', 'point', 'value', 'severity', 'state', 'time', 'occurrence', 'gateway'] as const;

export interface ActionContext {
  readonly source: YamlSource;
  /** Absent: the section could not be read, so nothing in it can be called missing. */
  readonly devices: ReadonlyMap<string, LoadedDevice> | undefined;
  readonly buses: ReadonlyMap<string, LoadedBus>;
  /** Undefined as a value: a hook with a fault. Absent as above. */
  readonly hooks: ReadonlyMap<string, ResolvedHook | undefined> | undefined;
  readonly around: Around;
  readonly messages: MessageSite;
  readonly report: (fault: Fault) => void;
}

/** The keys of a rule that say what it does, checked by their schema. */
export interface WrittenActions {
  readonly do?: readonly Section[] | undefined;
  readonly escalate?:
    | { readonly after: number; readonly repeat?: number | undefined; readonly do: readonly Section[] }
    | undefined;
  readonly interlock?: readonly string[] | undefined;
}

export interface RuleActions {
  readonly actions?: readonly ResolvedAction[];
  readonly escalation?: ResolvedEscalation;
  readonly interlock?: readonly string[];
}

/** @param at where the rule is written */
export function resolveActions(written: WrittenActions, at: Path, context: ActionContext): RuleActions {
  const list = (actions: readonly Section[], place: Path, escalates: boolean): ResolvedAction[] =>
    actions.flatMap((action, i) => {
      const made = actionOf(action, [...place, i], context, { level: 0, escalates });
      return made === undefined ? [] : [made];
    });
  for (const [i, point] of (written.interlock ?? []).entries()) {
    const wrong = writeFault(point, undefined, context);
    if (wrong !== undefined) context.report(context.source.fault([...at, 'interlock', i], wrong));
  }
  const { escalate } = written;
  return {
    ...(written.do && { actions: list(written.do, [...at, 'do'], false) }),
    ...(escalate && {
      escalation: {
        ...{ after: escalate.after, actions: list(escalate.do, [...at, 'escalate', 'do'], true) },
        ...(escalate.repeat !== undefined && { repeat: escalate.repeat }),
      },
    }),
    ...(written.interlock && { interlock: written.interlock }),
  };
}

/** Keys that belong to one kind of action alone. */
const BELONGS: Readonly<Record<string, readonly string[]>> = {
  value: ['write'],
  retries: ['write', 'hook'],
  payload: ['publish'],
  to: ['publish'],
  within: ['publish'],
  with: ['hook'],
  set: ['output'],
  clear: ['output'],
  while: ['output'],
};

interface Where {
  /** 0: an action of the list; from 1 on: its fallbacks. */
  readonly level: number;
  readonly escalates: boolean;
}

function actionOf(written: Section, at: Path, context: ActionContext, where: Where): ResolvedAction | undefined {
  const { source, report } = context;
  const fault = (key: string | undefined, message: string): undefined => {
    report(source.fault(key === undefined ? at : [...at, key], message, 'key'));
    return undefined;
  };
  const [key, second] = Object.keys(written).filter((one) => ACTION_KEYS.some((known) => known === one));
  if (key === undefined)
    return fault(undefined, `the action does nothing; write one of ${ACTION_KEYS.map((k) => `${k}:`).join(' ')}`);
  if (second !== undefined)
    return fault(second, `an action does one thing, and this one already has ${key}; write another action`);
  for (const [other, owners] of Object.entries(BELONGS))
    if (written[other] !== undefined && !owners.includes(key)) fault(other, `${other} has no meaning with ${key}; remove it`);
  if (written.on !== undefined && (where.level > 0 || where.escalates || key === 'output'))
    fault(
      'on',
      key === 'output'
        ? 'an output follows the alarm, so it has no on; remove it'
        : where.level > 0
          ? 'a fallback is done when its action has failed, so it has no on; remove it'
          : 'these actions are done when the alarm escalates, so they have no on; remove it',
    );
  if (key === 'output' && (where.level > 0 || where.escalates))
    return fault('output', 'an output follows the alarm; write it under do, or write: here');
  const orElse = isSection(written.else)
    ? actionOf(written.else, [...at, 'else'], context, { ...where, level: where.level + 1 })
    : undefined;
  const base = {
    on: (written.on as readonly Trigger[] | undefined) ?? ([where.escalates ? 'escalated' : 'active'] as const),
    ...(orElse && { orElse }),
  };
  switch (key as (typeof ACTION_KEYS)[number]) {
    case 'write': {
      if (written.value === undefined) return fault(undefined, 'the value is missing; write value: beside write:');
      const [point, value] = [String(written.write), written.value as number];
      const wrong = writeFault(point, [value], context);
      if (wrong !== undefined) return fault('write', wrong);
      return { ...base, kind: 'write', point, value, retries: Number(written.retries ?? 3) };
    }
    case 'output': {
      const [point, set, clear] = [String(written.output), (written.set ?? true) as boolean, (written.clear ?? false) as boolean];
      const wrong = writeFault(point, [set, clear], context);
      if (wrong !== undefined)
        return fault(
          'output',
          written.set === undefined ? `${wrong}; write set: and clear: with the values of this point` : wrong,
        );
      if (written.else !== undefined) fault('else', 'an output is tried until it succeeds, so it has no else; remove it');
      return {
        ...base,
        kind: 'output',
        point,
        set,
        clear,
        while: written.while === 'unacknowledged' ? 'unacknowledged' : 'active',
      };
    }
    case 'publish': {
      const wrong = publishFault(written, String(at[1]), { broker: context.around.broker, messages: context.messages });
      if (wrong !== undefined) fault(...wrong);
      const payload = String(written.payload ?? '{message}');
      for (const place of placesIn(payload))
        if (!PLACES.some((known) => known === place)) fault('payload', unknownPlace(place, PLACES));
      return {
        ...{ ...base, kind: 'publish', topic: String(written.publish), payload },
        ...(written.to !== undefined && { to: String(written.to), within: Number(written.within ?? DEFAULT_WITHIN) }),
      };
    }
    case 'hook':
      return hookOf(written, base, context, fault);
    case 'flow':
      if (!context.around.nodeRed) fault('flow', 'Node-RED is not switched on (nodeRed.enabled), so there is no flow to trigger');
      return { ...base, kind: 'flow', flow: String(written.flow) };
  }
}

function hookOf(
  written: Section,
  base: Pick<ResolvedAction, 'on' | 'orElse'>,
  { hooks }: ActionContext,
  fault: (key: string, message: string) => undefined,
): ResolvedAction | undefined {
  const name = String(written.hook);
  if (hooks !== undefined && !hooks.has(name))
    return fault(
      'hook',
      `there is no hook "${name}"${hint(name, hooks.keys())}; declare it at the top level: hooks: {${name}: {run: [/path/to/program]}}`,
    );
  const texts = (written.with ?? {}) as Readonly<Record<string, string>>;
  const own = Object.keys(texts);
  for (const text of Object.values(texts))
    for (const place of placesIn(text)) if (!PLACES.some((known) => known === place)) fault('with', unknownPlace(place, PLACES));
  const clash = own.find((key) => PLACES.some((known) => known === key));
  if (clash !== undefined) fault('with', `{${clash}} is a place for a text of the alarm already; choose another name`);
  const missing = (hooks?.get(name)?.run ?? [])
    .flatMap(placesIn)
    .find((place) => !own.includes(place) && !PLACES.some((known) => known === place));
  if (missing !== undefined)
    return fault('hook', `the hook ${name} has the place {${missing}}; write with: {${missing}: …} here`);
  return { ...base, kind: 'hook', hook: name, with: texts, retries: Number(written.retries ?? 1) };
}

/** The names in braces of a text. */
export function placesIn(text: string): string[] {
  return Array.from(text.matchAll(/\{([a-zA-Z][a-zA-Z0-9]*)\}/g), ([, place]) => place as string);
}

export function unknownPlace(place: string, known: readonly string[]): string {
  return `{${place}} is no place for a text${hint(place, known)}; the places are ${known.map((one) => `{${one}}`).join(', ')}`;
}

/** @returns what is wrong with writing these values to a point, in words; undefined where nothing is, or where it cannot be seen */
function writeFault(
  target: string,
  values: readonly (number | boolean | string)[] | undefined,
  context: ActionContext,
): string | undefined {
  const { devices, buses } = context;
  if (devices === undefined) return undefined;
  const [name = '', point = ''] = target.split('.');
  const device = devices.get(name);
  if (device === undefined) return `there is no device ${quote(name)}${hint(name, devices.keys())}`;
  if (device.points === undefined) return undefined;
  if (!device.points.has(point)) return `the device ${name} has no point ${quote(point)}${hint(point, device.points.keys(), 20)}`;
  const settings = device.points.get(point);
  if (settings === undefined) return undefined;
  if (settings.write === undefined || settings.write === null)
    return `${target} may not be written; give the point \`write:\` with its bounds, or name another point`;
  const { resolved } = device;
  const kind = buses.get(resolved?.bus ?? '')?.kind;
  if (resolved === undefined || kind?.writeFault === undefined) return undefined;
  for (const value of values ?? []) {
    const wrong = kind.writeFault(resolved, point, value);
    if (wrong !== undefined) return `${target} cannot be set to ${String(value)}: ${wrong}`;
  }
  return undefined;
}

/** What the check for loops and contradictions needs of the rest of the file. */
export function conflictSite(
  rules: ReadonlyMap<string, ResolvedRule>,
  devices: ReadonlyMap<string, LoadedDevice>,
  buses: ReadonlyMap<string, LoadedBus>,
): ConflictSite {
  const derived = new Map<string, readonly string[]>();
  const safe = new Map<string, number | boolean | string>();
  for (const [name, { resolved }] of devices) {
    if (resolved === undefined) continue;
    const inputs = buses.get(resolved.bus)?.kind?.pointInputs?.(resolved);
    for (const [point, from] of inputs ?? []) derived.set(`${name}.${point}`, from);
    for (const [point, { write }] of resolved.points) {
      const fallback = isSection(write) && isSection(write.safe) ? write.safe : undefined;
      if (fallback?.offline !== undefined) safe.set(`${name}.${point}`, fallback.value as number);
    }
  }
  return { rules, derived, safe };
}
