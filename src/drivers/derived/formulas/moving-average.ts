/** The mean of one input over a window, weighted by time. */
import { type Formula, same } from '../formula.ts';
import { overWindow } from './over-window.ts';

export const movingAverage: Formula = {
  name: 'moving-average',
  doc: 'The mean of one input over a window, weighted by time.',
  roles: [same('value')],
  needs: ['over'],
  remembers: true,
  create: (settings) =>
    overWindow(
      settings,
      (value) => value,
      (mean) => mean,
    ),
};
