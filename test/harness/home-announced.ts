/** Discovery of Home Assistant for one device of any points, with one rule. */
import assert from 'node:assert/strict';
import type { PointFacts, SiteFacts } from '../../src/core/site-facts.ts';
import type { Component } from '../../src/forwarders/mqtt/dialects/homeassistant/component.ts';
import { announcement } from '../../src/forwarders/mqtt/dialects/homeassistant/discovery.ts';
import { places } from '../../src/forwarders/mqtt/dialects/homeassistant/places.ts';
import { CLASSES } from '../../src/forwarders/mqtt/dialects/homeassistant/units.ts';

export const AT = places('g_1');

export interface HomePoint {
  readonly type: string;
  readonly unit?: string;
  readonly writable?: boolean;
  readonly facts?: PointFacts;
}
/** What one device of these points is announced as. */
export function announced(points: Readonly<Record<string, HomePoint>>): {
  text: string;
  components: ReadonlyMap<string, Component>;
} {
  const site: SiteFacts = {
    point: (_, point) => points[point]?.facts,
    made: () => undefined,
    rules: () => [{ name: 'hot', device: 'd' }],
    alarms: () => [],
  };
  const inventory = JSON.stringify({ v: 1, revision: 1, devices: { d: { points } } });
  const { devices, leftOut } = announcement({ inventory: () => inventory, site, mayWrite: () => true }, AT);
  assert.equal(leftOut, 0);
  const device = devices.get('d') ?? assert.fail('no device');
  return { text: device.config(), components: device.points };
}
const OTHER_UNITS = [
  '',
  '1',
  '%',
  'dB',
  '[pH]',
  '[ppm]',
  '[ppb]',
  'deg',
  'kV',
  'MW',
  'kV.A',
  'kV.A{reactive}',
  'uV',
  'us',
  'ug',
  'ug/m3',
];
/** Units with a class, and others. */
export const UNITS = [...new Set([...Object.values(CLASSES).flatMap((codes) => Object.keys(codes)), ...OTHER_UNITS])];
