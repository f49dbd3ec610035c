/** Which profile a device may belong to: what a profile reads is read, and looked at whether the values can be such. */

import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { ExchangeReply } from '../../admin/wire-target.ts';
import { chooseModels, type ModelWish, type SunspecChain } from '../../codecs/sunspec.ts';
import { loadConfigText } from '../../config/load.ts';
import { withUnit } from '../../core/unit-words.ts';
import type { DeviceRequest } from '../../drivers/modbus/bus.ts';
import { kinds } from '../../gateway/registry.ts';
import { PROFILES } from '../config-file.ts';
import { plausible } from './plausible.ts';
import { type Readings, readingsOf } from './show.ts';
import { type Look, planOf, wishesOf } from './wire.ts';

export interface Candidate {
  readonly profile: string;
  /** Made anew for each device: they remember scale factors and counters. Those of SunSpec profiles are in `bySunspec`. */
  readonly requests: () => readonly DeviceRequest[];
  /** SunSpec models that it is made of, by role; none for other profiles. */
  readonly wishes: readonly (readonly [role: string, wish: ModelWish])[];
  readonly bySunspec: (chain: SunspecChain) => readonly DeviceRequest[];
}

export interface Suggestion {
  readonly profile: string;
  /** `input 1 to 2 answered; temperature 24.3 Cel, humidity 45 %` */
  readonly evidence: string;
  /** Only few or small numbers agree: other devices may show the same. */
  readonly weak: boolean;
}

/** Values named as evidence. */
const NAMED = 4;
/** This share of the values that a profile reads has to be possible. */
const ENOUGH = 0.8;
/** Values that are possible and not 0, from which on a match is no accident. */
const STRONG = 3;
const MOST_SUGGESTIONS = 3;

/** Every Modbus profile of the library; those that cannot be read without more settings are left out. */
export function candidates(folder: string = PROFILES): Candidate[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .flatMap((file) => {
      const profile = path.basename(file, '.yaml');
      const text = `gateway: {id: scan, stateDir: /tmp}\nbuses: {line: {protocol: modbus-rtu, port: /dev/null}}\ndevices: {it: {bus: line, unit: 1, profile: ${profile}}}\n`;
      const { config } = loadConfigText(text, 'scan.yaml', kinds, { profileDirs: [folder], readSecrets: false });
      const device = config?.devices.get('it');
      const bus = config?.buses.get('line');
      if (bus === undefined || device === undefined) return [];
      const candidate: Candidate = {
        profile,
        requests: () => planOf(bus, device).requests,
        wishes: wishesOf(device),
        bySunspec: (found) => planOf(bus, device, { found }).requests,
      };
      return candidate.wishes.length > 0 || candidate.requests().length > 0 ? [candidate] : [];
    });
}

/** Profiles whose models a SunSpec device has, the one with most of them first: its chain proves what others only look like. */
export async function suggestBySunspec(
  all: readonly Candidate[],
  chain: SunspecChain,
  ask: (request: Look['request']) => Promise<ExchangeReply>,
): Promise<Suggestion[]> {
  const suggestions: Suggestion[] = [];
  if (chain.end === 'lie') return suggestions;
  for (const { profile, wishes, bySunspec } of all.toSorted((a, b) => b.wishes.length - a.wishes.length)) {
    if (wishes.length === 0) continue;
    const { chosen, missing } = chooseModels(chain, wishes);
    if (missing.size > 0) continue;
    const readings: Readings[number][] = [];
    for (const planned of bySunspec(chain)) {
      const { table, start, count } = planned.request;
      readings.push(...readingsOf(planned, await ask({ kind: 'read', table, start, count })));
    }
    const models = [...chosen].map(([role, { id, start }]) => `${role} is model ${id} in register ${start}`);
    const values = valueWords(readings.filter((r) => r.quality === 'good' && r.value !== 0 && r.unit !== undefined));
    suggestions.push({ profile, evidence: `${models.join(', ')}${values === '' ? '' : `; ${values}`}`, weak: false });
  }
  return suggestions.slice(0, MOST_SUGGESTIONS);
}

/** Best first. @param ask one read request of the unit */
export async function suggest(
  all: readonly Candidate[],
  ask: (request: Look['request']) => Promise<ExchangeReply>,
  signal: AbortSignal,
): Promise<Suggestion[]> {
  const known = new Map<string, ExchangeReply>();
  const scored: (Suggestion & { readonly score: number })[] = [];
  for (const { profile, requests: plan, wishes } of all) {
    if (wishes.length > 0) continue;
    const requests = plan();
    const readings: Readings[number][] = [];
    let answered = requests.length > 0;
    for (const planned of requests) {
      const { table, start, count } = planned.request;
      const key = `${table} ${start} ${count}`;
      if (signal.aborted) return [];
      const reply = known.get(key) ?? (await ask({ kind: 'read', table, start, count }));
      known.set(key, reply);
      answered = reply.pdu !== null;
      if (!answered) break;
      readings.push(...readingsOf(planned, reply));
    }
    if (answered) scored.push(...judged(profile, requests, readings));
  }
  return scored
    .sort((a, b) => b.score - a.score)
    .slice(0, MOST_SUGGESTIONS)
    .map(({ score: _, ...suggestion }) => suggestion);
}

function judged(profile: string, requests: readonly DeviceRequest[], readings: Readings): (Suggestion & { score: number })[] {
  const floats = new Set(
    requests
      .flatMap((r) => r.shape.points)
      .filter((p) => p.type.startsWith('float'))
      .map((p) => p.name),
  );
  const numbers = readings.filter((r) => typeof r.value !== 'boolean');
  const possible = numbers.filter(
    (r) =>
      r.quality === 'good' &&
      (typeof r.value === 'string' ? /^[\x20-\x7e]{2,}$/.test(r.value) : plausible(Number(r.value), r.unit)),
  );
  const nonZero = possible.filter((r) => r.value !== 0);
  if (nonZero.length === 0 || possible.length < ENOUGH * numbers.length) return [];
  // Random registers seldom make a float of everyday size; small integers are everywhere.
  const score = nonZero.reduce((sum, r) => sum + (floats.has(r.point) ? 2 : 1), 0) * (possible.length / numbers.length);
  const evidence = `${requests.map((r) => r.label).join(', ')} answered; ${valueWords(nonZero)}`;
  return [{ profile, evidence, weak: score < STRONG, score }];
}

/** `voltage 230.1 V, power 12 W and 7 more` */
function valueWords(nonZero: Readings): string {
  const values = nonZero.slice(0, NAMED).map((r) => `${r.point} ${withUnit(String(r.value), r.unit)}`);
  return `${values.join(', ')}${nonZero.length > NAMED ? ` and ${nonZero.length - NAMED} more` : ''}`;
}
