/** The table of rule kinds: a new kind is one file in kinds/ and one line here. */
import { combinations } from './combination/kind.ts';
import { above } from './kinds/above.ts';
import { all } from './kinds/all.ts';
import { anomaly } from './kinds/anomaly.ts';
import { any } from './kinds/any.ts';
import { atLeast } from './kinds/at-least.ts';
import { average } from './kinds/average.ts';
import { below } from './kinds/below.ts';
import { beyond } from './kinds/beyond.ts';
import { bits } from './kinds/bits.ts';
import { delta } from './kinds/delta.ts';
import { deviation } from './kinds/deviation.ts';
import { equals } from './kinds/equals.ts';
import { expression } from './kinds/expression.ts';
import { inside } from './kinds/inside.ts';
import { maximum } from './kinds/maximum.ts';
import { minimum } from './kinds/minimum.ts';
import { not } from './kinds/not.ts';
import { notEquals } from './kinds/not-equals.ts';
import { outside } from './kinds/outside.ts';
import { percentile } from './kinds/percentile.ts';
import { rate } from './kinds/rate.ts';
import { stale } from './kinds/stale.ts';
import { stuck } from './kinds/stuck.ts';
import { total } from './kinds/total.ts';
import type { RuleKind } from './rule-kind.ts';

/** Conditions of one point, which may stand in a combination. */
const OF_ONE: readonly RuleKind[] = [
  ...[above, below, outside, inside, equals, notEquals, bits, deviation],
  ...[stale, stuck],
  ...[rate, delta, total, beyond],
  ...[average, minimum, maximum, percentile],
];

export const RULE_KINDS: readonly RuleKind[] = [
  ...OF_ONE,
  ...combinations([all, any, not, atLeast], OF_ONE),
  expression,
  anomaly,
];
