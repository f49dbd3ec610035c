import * as z from 'zod';
import type { Value } from '../../core/point.ts';
import type { Verdict } from '../rule-kind.ts';
import { ruleKind } from '../rule-kind.ts';

type Setting = number | boolean | string;

export function equalsSchema() {
  return z.union([z.number(), z.boolean(), z.string()], { error: 'write a number, true, false or a text' });
}

/**
 * In alarm: the value is the setting. Back: it is not. Coils and registers that mean on and off are written either way, so
 * true is 1 and false is 0. A text is compared as text; an int64 also with digits in quotes, since YAML's numbers end at 2^53.
 */
export const equals = ruleKind({
  key: 'equals',
  schema: equalsSchema(),
  doc: 'In alarm while the value equals this number, `true`, `false` or text.',
  needs: 'any',
  limits: (setting) => (typeof setting === 'number' ? [{ value: setting, words: `is ${setting}` }] : []),
  create: (setting) => ({ type: 'value', words: '', judge: equalsJudge(setting) }),
});

export function equalsJudge(setting: Setting): (value: Value) => Verdict {
  const text = String(setting);
  const whole = typeof setting === 'string' && /^[+-]?\d+$/.test(setting) ? BigInt(setting.replace('+', '')) : undefined;
  const number = typeof setting === 'string' ? undefined : Number(setting);
  return (value) => {
    switch (typeof value) {
      case 'string':
        return value === text ? 'alarm' : 'normal';
      case 'bigint':
        // Neither less nor greater: the exact comparison of a bigint with a number.
        if (whole !== undefined) return value === whole ? 'alarm' : 'normal';
        return number !== undefined && !(value < number) && !(value > number) ? 'alarm' : 'normal';
      default:
        return Number(value) === number ? 'alarm' : 'normal';
    }
  };
}
