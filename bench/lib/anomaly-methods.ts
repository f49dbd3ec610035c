/** Ways to find unusual readings that are measured beside the one of the gateway. Each gives a number from 0 on for each reading. */

import { seeded } from '../../src/core/seeded.ts';
import { Detector, HOURS, NEWS } from '../../src/rules/anomaly/detector.ts';
import { SENSITIVITIES } from '../../src/rules/kinds/anomaly.ts';

export interface Method {
  readonly name: string;
  /** One for each series. @returns what takes one reading after another: ms, value */
  start(): (at: number, value: number) => number;
}

const HOUR = 3_600_000;
const hourOf = (at: number) => Math.floor((at % (HOURS * HOUR)) / HOUR);
/** Only a score above all of the last six hours is given. */
function newsOnly(judge: (at: number, value: number) => number): (at: number, value: number) => number {
  let high = 0;
  let highAt = Number.NEGATIVE_INFINITY;
  return (at, value) => {
    const score = judge(at, value);
    if (at - highAt <= NEWS && score <= high) return 0;
    high = score;
    highAt = at;
    return score;
  };
}

/** The detector of the gateway. */
function usualRange(hourly: boolean) {
  return () => {
    const detector = new Detector({ hourly, margin: 0, enough: SENSITIVITIES.normal });
    return (at: number, value: number) => detector.observe(at, hourOf(at), value)?.score ?? 0;
  };
}

/** Distance from a moving average, in moving standard deviations. */
function movingZ(share: number) {
  return () => {
    let [mean, variance, count] = [0, 0, 0];
    return (_at: number, value: number) => {
      const distance = value - mean;
      const score = count < 2 ? 0 : Math.abs(distance) / Math.sqrt(variance + 1e-12);
      count++;
      const weight = Math.max(share, 1 / count);
      mean += weight * distance;
      variance = (1 - weight) * (variance + weight * distance * distance);
      return score;
    };
  };
}

/** Distance from the middle of the hour, in its mean distances; both clipped, so that outliers count little. */
function hourlyZ() {
  const hours = Array.from({ length: HOURS }, () => ({ middle: 0, spread: 0, count: 0 }));
  return (at: number, value: number) => {
    const hour = hours[hourOf(at)] as (typeof hours)[number];
    const distance = value - hour.middle;
    const floor = Math.max(hour.spread, 1e-9 * Math.abs(hour.middle), 1e-12);
    const score = hour.count < 6 ? 0 : Math.abs(distance) / floor;
    hour.count++;
    const weight = Math.max(0.05, 1 / hour.count);
    const most = hour.count < 10 ? Number.POSITIVE_INFINITY : 3 * floor;
    hour.middle += weight * Math.min(Math.max(distance, -most), most);
    hour.spread += weight * (1.25 * Math.min(Math.abs(distance), most) - hour.spread);
    return score;
  };
}

const [TREES, DEPTH, WINDOW] = [25, 8, 250];
/** Half-space trees (Tan, Ting, Liu 2011) over the value and its change, scaled by what the first window showed. */
function halfSpaceTrees() {
  const random = seeded(7);
  const nodes = 2 ** (DEPTH + 1);
  const trees = Array.from({ length: TREES }, () => ({
    dimension: Uint8Array.from({ length: nodes }, () => (random() < 0.5 ? 0 : 1)),
    known: new Float64Array(nodes),
    fresh: new Float64Array(nodes),
    // The work range of each tree is moved at random, as the authors do.
    shift: [random(), random()] as const,
  }));
  const bounds = [
    { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY },
    { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY },
  ];
  let [last, count] = [Number.NaN, 0];
  return (_at: number, value: number) => {
    const features = [value, Number.isNaN(last) ? 0 : value - last];
    last = value;
    if (count < WINDOW)
      for (const [i, bound] of bounds.entries()) {
        bound.low = Math.min(bound.low, features[i] as number);
        bound.high = Math.max(bound.high, features[i] as number);
      }
    let mass = 0;
    for (const tree of trees) {
      const place = bounds.map(({ low, high }, i) => {
        const width = Math.max(high - low, 1e-9);
        return Math.min(Math.max(((features[i] as number) - low) / width / 3 + (tree.shift[i] as number) / 3, 0), 1);
      });
      const [low, high] = [
        [0, 0],
        [1, 1],
      ];
      let node = 1;
      for (let depth = 0; depth < DEPTH; depth++) {
        tree.fresh[node] = (tree.fresh[node] as number) + 1;
        if ((tree.known[node] as number) < WINDOW * 0.01 && count >= WINDOW) break;
        const d = tree.dimension[node] as number;
        const middle = ((low[d] as number) + (high[d] as number)) / 2;
        if ((place[d] as number) < middle) {
          high[d] = middle;
          node *= 2;
        } else {
          low[d] = middle;
          node = node * 2 + 1;
        }
      }
      tree.fresh[node] = (tree.fresh[node] as number) + 1;
      mass += (tree.known[node] as number) * 2 ** Math.floor(Math.log2(node));
    }
    const score = count < WINDOW ? 0 : 1 / (1 + mass / TREES / WINDOW);
    count++;
    if (count % WINDOW === 0)
      for (const tree of trees) {
        tree.known.set(tree.fresh);
        tree.fresh.fill(0);
      }
    return score;
  };
}

export const METHODS: readonly Method[] = [
  { name: 'usual-range 1, as shipped', start: usualRange(true) },
  { name: 'usual-range 1, season: none', start: usualRange(false) },
  { name: 'clipped z-score by the hour', start: hourlyZ },
  { name: 'clipped z-score by the hour, news only', start: () => newsOnly(hourlyZ()) },
  { name: 'moving average and deviation', start: movingZ(0.01) },
  { name: 'moving average and deviation, news only', start: () => newsOnly(movingZ(0.01)()) },
  { name: 'half-space trees 25×8', start: halfSpaceTrees },
  { name: 'half-space trees 25×8, news only', start: () => newsOnly(halfSpaceTrees()) },
];
