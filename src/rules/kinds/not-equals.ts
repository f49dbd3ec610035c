import { phrase } from '../../core/sentence.ts';
import { ruleKind } from '../rule-kind.ts';
import { equalsJudge, equalsSchema } from './equals.ts';

/** In alarm: the value is not the setting. Back: it is. The comparison is that of `equals`. */
export const notEquals = ruleKind({
  key: 'notEquals',
  schema: equalsSchema(),
  doc: 'In alarm while the value is anything but this number, `true`, `false` or text.',
  needs: 'any',
  create(setting) {
    const same = equalsJudge(setting);
    return {
      type: 'value',
      words: phrase('not', { value: setting }),
      judge: (value) => (same(value) === 'alarm' ? 'normal' : 'alarm'),
    };
  },
});
