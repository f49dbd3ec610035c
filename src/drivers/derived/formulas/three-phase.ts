/**
 * Three phases: their sum, and their unbalance by NEMA MG 1, 14.36: the largest deviation from the mean, as a part of the mean. Looked up
 * in makers' manuals that cite it, with their examples.
 */
import { ALIKE, because, type Formula, fixed, plain, type Result, same } from '../formula.ts';

const PHASES = ['l1', 'l2', 'l3'] as const;

/** @returns per cent */
export function unbalance(...phases: number[]): Result | number {
  const mean = phases.reduce((sum, phase) => sum + phase, 0) / phases.length;
  // Nothing flows: no share of nothing.
  if (mean === 0) return phases.every((phase) => phase === 0) ? 0 : because('not-a-number');
  return (Math.max(...phases.map((phase) => Math.abs(phase - mean))) / Math.abs(mean)) * 100;
}

export const sum3: Formula = {
  name: 'sum3',
  doc: 'Sum of three phases.',
  roles: PHASES.map(same),
  create: plain((...phases) => phases.reduce((sum, phase) => sum + phase, 0)),
};

export const unbalanceFormula: Formula = {
  name: 'unbalance',
  doc: 'Unbalance of three phases in % (NEMA MG 1): the largest deviation from the mean, as a part of the mean.',
  roles: PHASES.map((name) => fixed(name, ALIKE)),
  unit: '%',
  decimals: 2,
  create: plain(unbalance),
};
