/** Energy from power: the area under straight lines between readings. What lies in a gap is left out, and never estimated. */
import { because, type Calculation, type CalculationSettings, type Formula, fieldOf, good, isNumber } from '../formula.ts';
import { Stretches } from '../stretches.ts';

export const energy: Formula = {
  name: 'energy',
  doc: 'The energy of a power since the point began, or the amount of any other flow: kW gives kW.h, L/min gives L.',
  roles: [{ name: 'power', unit: (own) => `(${own})/s` }],
  remembers: true,
  create: ({ staleAfter }: CalculationSettings): Calculation => {
    const stretches = new Stretches(staleAfter);
    let total = 0;
    let begun = false;
    return {
      step: ([input], { at }) => {
        const stretch = stretches.take(input?.value ?? 0, at);
        const isGap = stretch === 'gap' && begun;
        begun = true;
        if (stretch !== undefined && stretch !== 'gap') {
          const { from, to, first, last } = stretch;
          total += ((first + last) / 2) * ((to - from) / 1000);
        }
        return isGap ? because('partial', total) : good(total);
      },
      save: (at) => ({ total, begun, last: stretches.save(at) }),
      restore: (saved, _now, savedAt) => {
        const before = fieldOf(saved, 'total');
        if (!isNumber(before)) return;
        total = before;
        begun = fieldOf(saved, 'begun') === true;
        stretches.restore(fieldOf(saved, 'last'), savedAt);
      },
      resume: (value) => {
        total = value;
        begun = true;
        stretches.forget();
      },
    };
  },
};
