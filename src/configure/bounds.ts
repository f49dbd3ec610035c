/**
 * What a configuration from upstream may not change, whoever signed it. The board keeps for itself what opens it to others, what runs
 * programs on it, which of its files are read and where they go, what of people leaves it, and the way by which the next configuration comes.
 */
import { comparable } from '../config/compare.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import type { Base, Candidate } from './base.ts';
import { wayFaults } from './ways.ts';

const MOST_FAULTS = 5;

/** What is frozen, and why, for people. */
const FROZEN: readonly (readonly [key: string, of: (config: GatewayConfig) => unknown, why: string])[] = [
  ['gateway.id', ({ gateway }) => gateway.id, 'topics and signatures name it'],
  ['gateway.stateDir', ({ gateway }) => gateway.stateDir, 'readings and this record lie there'],
  ['gateway.runtimeDir', ({ gateway }) => gateway.runtimeDir, 'it needs a restart'],
  ['gateway.timezone', ({ gateway }) => gateway.timezone, 'it needs a restart'],
  ['gateway.update', ({ gateway }) => gateway.update, 'updates have keys of their own'],
  ['hooks', ({ hooks }) => [...hooks], 'they run programs on the board'],
  ['nodeRed', ({ nodeRed }) => nodeRed, 'it runs programs on the board'],
  ['dashboard', ({ dashboard }) => dashboard, 'it opens the board to its network'],
  ['broker.listen', ({ broker }) => broker?.listen, 'it opens the board to its network'],
  ['broker.commands', ({ broker }) => broker?.commands ?? {}, 'it lets others act on the board'],
  [
    'privacy',
    ({ privacy }) => [privacy?.keep ?? {}, privacy?.upstream ?? {}],
    'it says what of people leaves the board, and how long it is kept',
  ],
];

/**
 * @param forwarder by which it came
 * @returns sentences; empty: it may be put in force
 */
export function outOfBounds(next: Candidate, base: Base, forwarder: string): string[] {
  const faults = FROZEN.filter(([, of]) => comparable(of(next.config) ?? null) !== comparable(of(base.config) ?? null)).map(
    ([key, , why]) => `${key} changes only in the file on the board (${why}); write it as it stands there`,
  );
  if (next.config.gateway.configure === undefined)
    faults.push('gateway.configure is missing; without it this gateway would take no configuration any more');
  faults.push(...wayFaults(next, base, forwarder));
  return faults.length <= MOST_FAULTS
    ? faults
    : [...faults.slice(0, MOST_FAULTS), `and ${faults.length - MOST_FAULTS} more; correct those first`];
}
