/** All nodes, in the order of the palette. */
import { alarmAction, alarmIn, gateway, status, write } from './actions.ts';
import { history, latest, readingIn, readingOut } from './readings.ts';
import type { Property, Sheet } from './sheet.ts';

export const SHEETS: readonly Sheet[] = [gateway, readingIn, latest, history, readingOut, write, alarmIn, alarmAction, status];

/** Properties of the dialog as keys of flows.json with their defaults: a control may have more than one. */
export function defaultsOf({ properties }: Pick<Sheet, 'properties'>): Record<string, Property['value']> {
  const all: Record<string, Property['value']> = {};
  for (const { key, value, control } of properties) {
    if (control.kind === 'secret') continue;
    all[key] = value;
    if (control.kind === 'typed') all[`${key}Type`] = control.type;
    if ((control.kind === 'typed' || control.kind === 'time') && control.unit !== undefined) all[`${key}Unit`] = control.unit;
  }
  return all;
}
