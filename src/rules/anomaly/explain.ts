/** The sentences of a finding: what was measured, what is usual, why, by which method. */
import { phrase, type Sentence } from '../../core/sentence.ts';
import { withUnit } from '../../core/unit-words.ts';
import { type Finding, METHOD } from './detector.ts';

/** A number with the digits that tell it from its neighbours in a range: two of its width, at most twelve of the number. */
export function tidy(value: number, width: number): number {
  const places = width > 0 ? Math.min(12, 1 - Math.floor(Math.log10(width))) : 12;
  const rounded = places > 0 && Math.abs(value) < 1e12 ? Number(value.toFixed(places)) : Number(value.toPrecision(12));
  return Number(rounded.toPrecision(12));
}

/** `3.1 to 5.2 °C` @param unit UCUM */
export function rangeWords(low: number, high: number, unit: string | undefined): Sentence {
  const width = high - low;
  const [from, to] = [String(tidy(low, width)), String(tidy(high, width))];
  return from === to ? withUnit(to, unit) : phrase('range', { from, to: withUnit(to, unit) });
}

/** Follows the value in a message: `at this hour it is usually 3.1 to 5.2 °C (usual-range 1)`. @param unit UCUM */
export function findingWords(finding: Finding, unit: string | undefined): Sentence {
  const known = { range: rangeWords(finding.low, finding.high, unit), method: METHOD };
  switch (finding.aspect) {
    case 'value': {
      const days = Math.floor(finding.span / 86_400_000);
      return days <= 1 ? phrase('unusual-day', known) : phrase('unusual-days', { ...known, days });
    }
    case 'hour':
      return phrase('unusual-hour', known);
    case 'average':
      return phrase('unusual-average', known);
  }
}
