/** The table of rule kinds: a new kind is one file in kinds/ and one line here. */
import { above } from './kinds/above.ts';
import { below } from './kinds/below.ts';
import { bits } from './kinds/bits.ts';
import { equals } from './kinds/equals.ts';
import { inside } from './kinds/inside.ts';
import { notEquals } from './kinds/not-equals.ts';
import { outside } from './kinds/outside.ts';
import { stale } from './kinds/stale.ts';
import type { RuleKind } from './rule-kind.ts';

export const RULE_KINDS: readonly RuleKind[] = [...[above, below, outside, inside, equals, notEquals, bits], stale];
