/** The points of derived devices as the configuration says them, for `check` and for the graph. */
import type { ResolvedDevice } from '../../config/kinds.ts';
import type { Expressions } from '../../core/expressions.ts';
import type { Formula, Role } from './formula.ts';
import { EXPRESSION, expressionFormula } from './formulas/expression.ts';
import { formulaOf } from './formulas.ts';
import type { DerivedDeviceSettings, DerivedPointSettings } from './schema.ts';

export interface PlannedInput {
  /** `device.point` */
  readonly point: string;
  readonly role: Role;
  /** Where it stands, relative to the point. */
  readonly path: readonly (string | number)[];
}

export interface PlannedPoint {
  readonly device: string;
  readonly name: string;
  readonly formula: Formula;
  readonly inputs: readonly PlannedInput[];
  /** The unit of the point; undefined: it has none. */
  readonly unit: string | undefined;
  /** What the formula computes in. */
  readonly own: string;
  readonly settings: DerivedPointSettings;
  readonly staleAfter: number;
}

/** @returns without points whose inputs do not fit their formula: `check` has refused those */
export function planned(device: ResolvedDevice, expressions: Expressions): PlannedPoint[] {
  const { staleAfter } = device.settings as DerivedDeviceSettings;
  const points: PlannedPoint[] = [];
  for (const [name, settings] of device.points as ReadonlyMap<string, DerivedPointSettings>) {
    const formula = formulaFor(settings, expressions);
    const inputs = formula && inputsOf(formula, settings.from ?? [...(formula.inputs ?? [])]);
    if (formula === undefined || inputs === undefined || typeof inputs === 'string') continue;
    const unit = settings.unit ?? formula.unit;
    points.push({ device: device.name, name, formula, inputs, unit, own: formula.unit ?? unit ?? '1', settings, staleAfter });
  }
  return points;
}

/** @returns undefined: the point names none, or its expression is wrong */
export function formulaFor({ compute, expression }: DerivedPointSettings, expressions: Expressions): Formula | undefined {
  if (compute !== undefined) return formulaOf(compute);
  return expression === undefined ? undefined : expressionFormula(expression, expressions);
}

/** @returns words where they do not fit */
export function inputsOf({ name, roles }: Formula, from: NonNullable<DerivedPointSettings['from']>): PlannedInput[] | string {
  if ('list' in roles) {
    const list = typeof from === 'string' ? [from] : from;
    if (!Array.isArray(list)) return `${name} takes a list of points: from: [a.x, b.x]`;
    return list.map((point, i) => ({
      point,
      role: roles.list,
      path: name === EXPRESSION ? [EXPRESSION] : typeof from === 'string' ? ['from'] : ['from', i],
    }));
  }
  const needed = roles.filter(({ optional }) => optional !== true);
  const [only] = needed;
  if (typeof from === 'string' && only !== undefined && needed.length === 1) return [{ point: from, role: only, path: ['from'] }];
  const names = roles.map((role) => `${role.name}${role.optional ? ' (may be left out)' : ''}`);
  const words = `${name} has the inputs ${names.join(', ')}; write from: {${roles.map((role) => `${role.name}: device.point`).join(', ')}}`;
  if (typeof from === 'string' || Array.isArray(from)) return words;
  if (Object.keys(from).some((key) => roles.every((role) => role.name !== key))) return words;
  const inputs: PlannedInput[] = [];
  for (const role of roles) {
    const point = Object.hasOwn(from, role.name) ? from[role.name] : undefined;
    if (point !== undefined) inputs.push({ point, role, path: ['from', role.name] });
    else if (role.optional !== true) return words;
  }
  return inputs;
}
