/** Rules between the keys of derived devices, and between their points and the points that they are computed from. */
import type { KnownPoint, ResolvedDevice } from '../../config/kinds.ts';
import { reportFaults } from '../../config/report.ts';
import { conversion, toBase } from '../../core/dimensions.ts';
import type { Expressions, NamedPoints } from '../../core/expressions.ts';
import { ucumFault } from '../../core/ucum.ts';
import { unitWords } from '../../core/unit-words.ts';
import { ALIKE, AS_READ, type FormulaKey } from './formula.ts';
import { formulaOf } from './formulas.ts';
import { conversionFor } from './gases.ts';
import { MOST_HEAVY, MOST_NAMED, MOST_OF_DEVICE, MOST_POINTS, MOST_REMEMBERING } from './limits.ts';
import { loops } from './order.ts';
import { inputsOf, type PlannedInput, type PlannedPoint, planned } from './plan.ts';
import type { DerivedPointSettings } from './schema.ts';

interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}
const KEYS: readonly FormulaKey[] = ['over', 'table', 'modulus', 'maxPerSecond', 'missing'];

export function checkDevice({ points }: ResolvedDevice): Fault[] {
  const faults: Fault[] = [];
  if (points.size > MOST_OF_DEVICE)
    faults.push({
      path: ['points'],
      message: `a derived device has at most ${MOST_OF_DEVICE} points, and this one ${points.size}; make several devices of it`,
    });
  for (const [name, point] of points as ReadonlyMap<string, DerivedPointSettings>)
    for (const { path, message } of pointFaults(point)) faults.push({ path: ['points', name, ...path], message });
  return faults;
}

function* pointFaults(point: DerivedPointSettings): Generator<Fault> {
  const { compute, expression, from } = point;
  if ((compute === undefined) === (expression === undefined))
    return yield {
      path: [],
      message: 'write compute: with the name of a formula, or expression: with a calculation, and one of both',
    };
  if (compute === undefined) {
    for (const key of ['from', ...KEYS] as const)
      if (point[key] !== undefined) yield { path: [key], message: `${key} has no meaning with expression; remove it` };
    return;
  }
  const formula = formulaOf(compute);
  if (formula === undefined) return;
  if (from === undefined) return yield { path: [], message: `${compute} needs from: the points that it is computed from` };
  const { needs = [], takes = [], unit } = formula;
  const inputs = inputsOf(formula, from);
  if (typeof inputs === 'string') yield { path: ['from'], message: inputs };
  for (const key of KEYS) {
    const isGiven = point[key] !== undefined;
    if (!isGiven && needs.includes(key)) yield { path: [], message: `${point.compute} needs ${key}: ${KEY_WORDS[key]}` };
    else if (isGiven && !needs.includes(key) && !takes.includes(key))
      yield { path: [key], message: `${key} has no meaning with ${point.compute}; remove it` };
  }
  const { modulus, table } = point;
  if (modulus !== undefined && !(Number(modulus) > 0))
    yield { path: ['modulus'], message: 'the modulus of a counter is above 0' };
  const falls = table?.findIndex(([level], i) => i > 0 && level <= (table[i - 1]?.[0] ?? 0)) ?? -1;
  if (falls > 0) yield { path: ['table', falls], message: 'the levels of a table rise from pair to pair' };
  if (point.unit !== undefined && conversion(point.unit, unit ?? point.unit) === undefined)
    yield { path: ['unit'], message: `${point.compute} gives ${shown(unit ?? '')}, which does not become ${shown(point.unit)}` };
  for (const [key, message] of reportFaults(point.report, true))
    yield { path: ['report', ...(key === undefined ? [] : [key])], message };
}

const KEY_WORDS: Readonly<Record<FormulaKey, string>> = {
  over: 'the length of the window, as in over: 24h',
  table: 'pairs of level and volume, as in table: [[0, 0], [1, 700]]',
  modulus: 'the number after which the counter is 0 again',
  maxPerSecond: 'its fastest growth',
  missing: 'what a bad input does, bad or skip',
};

/** What only the whole configuration shows. @param find a point of any device */
export function checkAmong(
  devices: readonly ResolvedDevice[],
  find: (device: string, point: string) => KnownPoint,
  expressions: Expressions,
): { readonly device: string; readonly path: readonly (string | number)[]; readonly message: string }[] {
  const all = devices.flatMap((device) => planned(device, expressions));
  const units = new Map(all.map(({ device, name, unit }) => [`${device}.${name}`, unit]));
  // A formula may give the unit where the point writes none.
  const withUnit = (device: string, point: string): KnownPoint => {
    const known = find(device, point);
    return 'storage' in known ? { ...known, unit: known.unit ?? units.get(`${device}.${point}`) } : known;
  };
  const faults = expressionFaults(devices, withUnit, expressions);
  for (const point of all) {
    if (point.settings.expression !== undefined) continue;
    faults.push(
      ...[...inputFaults(point, withUnit)].map(({ path, message }) => ({
        device: point.device,
        path: ['points', point.name, ...path],
        message,
      })),
    );
  }
  const index = new Map(all.map(({ device, name }, i) => [`${device}.${name}`, i]));
  const inputs = all.map((point) => point.inputs.map((input) => index.get(input.point) ?? -1));
  for (const loop of loops(inputs)) {
    const [first] = loop.map((i) => all[i]).filter((point) => point !== undefined);
    if (first === undefined) continue;
    const names = loop.map((i) => `${all[i]?.device}.${all[i]?.name}`);
    const some = names.length > MOST_NAMED ? [...names.slice(0, MOST_NAMED), `${names.length - MOST_NAMED} more`] : names;
    const words = loop.length === 1 ? 'the point is computed from itself' : 'these points are computed from each other';
    faults.push({
      device: first.device,
      path: ['points', first.name, first.settings.expression === undefined ? 'from' : 'expression'],
      message: `${words}: ${[...some, names[0]].join(' -> ')}; take one of them away`,
    });
  }
  const [first] = all;
  if (first !== undefined) {
    const remembering = all.filter(({ formula }) => formula.remembers).length;
    const heavy = all.filter(({ formula }) => formula.heavy);
    const here = { device: first.device, path: ['points'] };
    if (all.length > MOST_POINTS)
      faults.push({ ...here, message: `there are ${all.length} derived points; a gateway computes at most ${MOST_POINTS}` });
    if (remembering > MOST_REMEMBERING)
      faults.push({
        ...here,
        message: `${remembering} derived points add up over time; a gateway keeps the state of at most ${MOST_REMEMBERING}`,
      });
    if (heavy.length > MOST_HEAVY)
      faults.push({
        ...here,
        message: `there are ${heavy.length} points of ${heavy[0]?.formula.name}; a gateway computes at most ${MOST_HEAVY} of them`,
      });
  }
  return faults;
}

function expressionFaults(
  devices: readonly ResolvedDevice[],
  find: (device: string, point: string) => KnownPoint,
  expressions: Expressions,
): { device: string; path: readonly (string | number)[]; message: string }[] {
  const points: NamedPoints = {
    find: (point) => {
      const [device = '', name = ''] = point.split('.');
      const known = find(device, name);
      if ('missing' in known) return { fault: known.missing };
      return 'hidden' in known ? { storage: undefined } : known;
    },
    all: () => [],
  };
  return devices.flatMap(({ name: device, points: own }) =>
    [...(own as ReadonlyMap<string, DerivedPointSettings>)].flatMap(([name, { expression, unit }]) => {
      const read = expression === undefined ? undefined : expressions.read(expression, points, unit);
      if (read === undefined || 'inputs' in read) return [];
      return read.map((message) => ({ device, path: ['points', name, 'expression'], message }));
    }),
  );
}

function* inputFaults(point: PlannedPoint, find: (device: string, point: string) => KnownPoint): Generator<Fault> {
  const { formula, inputs, own } = point;
  const units: { readonly input: PlannedInput; readonly unit: string | undefined }[] = [];
  for (const input of inputs) {
    const [device = '', name = ''] = input.point.split('.');
    const known = find(device, name);
    if ('missing' in known) yield { path: input.path, message: known.missing };
    else if ('hidden' in known) continue;
    else if (known.storage !== undefined && known.storage !== 'number' && known.storage !== 'integer64')
      yield { path: input.path, message: `${formula.name} computes with numbers, and ${input.point} is none` };
    else units.push({ input, unit: known.unit });
  }
  if (formula.unit === undefined && point.unit === undefined) {
    // Without a unit anywhere there is nothing to compare.
    const [named] = units.filter(({ unit, input }) => unit !== undefined && input.role.unit(own) !== AS_READ);
    if (named !== undefined || inputs[0]?.role.unit(own) === AS_READ || formula.name === 'energy' || formula.name === 'rate')
      yield { path: [], message: `${formula.name} needs unit: the unit of its result${unitHint(formula.name, named?.unit)}` };
    return;
  }
  for (const { input, unit } of units) {
    const wanted = input.role.unit(own);
    if (wanted === AS_READ) continue;
    if (unit === undefined)
      yield { path: input.path, message: `${input.point} has no unit; write unit: at that point, so that it can be converted` };
    else if (wanted === ALIKE) {
      const [other] = units;
      if (toBase(unit) === undefined) yield { path: input.path, message: `"${unit}" of ${input.point} is not a UCUM code` };
      else if (other?.unit !== undefined && conversion(unit, other.unit) === undefined)
        yield {
          path: input.path,
          message: `${input.point} is in ${shown(unit)} and ${other.input.point} in ${shown(other.unit)}; ${formula.name} compares like with like`,
        };
    } else if (conversionFor(input.role, unit, wanted) === undefined)
      yield { path: input.path, message: mismatch(point, input, unit) };
  }
}

function mismatch({ formula, unit, own, inputs }: PlannedPoint, { point, role }: PlannedInput, has: string): string {
  const fault = ucumFault(has);
  if (fault !== undefined) return `${point}: ${fault}`;
  const wanted = role.unit(own);
  if (wanted === own && formula.unit === undefined) {
    const remedy = inputs.length === 1 ? `; give the result a unit such as ${shown(has)}` : '';
    return `${point} is in ${shown(has)}, and the result in ${shown(unit ?? '1')}; ${formula.name} takes inputs of one kind${remedy}`;
  }
  if (formula.unit !== undefined)
    return `${formula.name} needs ${role.name} in a unit such as ${shown(wanted)}${role.molarMass === undefined ? '' : ' or ug/m3'}, and ${point} is in ${shown(has)}`;
  return `the ${formula.name} of ${shown(has)} is not in ${shown(unit ?? '1')}${unitHint(formula.name, has)}`;
}

function unitHint(name: string, unit: string | undefined): string {
  if (unit === undefined) return name === 'energy' ? ', such as kW.h' : '';
  const meant = name === 'energy' ? energyOf(unit) : name === 'rate' ? `${unit}/h` : unit;
  return `; for ${shown(unit)} write unit: ${meant}`;
}

/** `kW` -> `kW.h`, `L/min` -> `L`. */
function energyOf(unit: string): string {
  const [, amount] = /^([^/]+)\/(s|min|h|d)$/.exec(unit) ?? [];
  return amount ?? `${unit}.h`;
}

const shown = (unit: string): string => {
  const words = unitWords(unit);
  return words === '' || words === unit ? unit : `${unit} (${words})`;
};
