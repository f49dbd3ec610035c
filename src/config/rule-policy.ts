/** Keys of a rule that every kind has beside its condition: how long the alarm stays, what bad readings mean, the words. */
import * as z from 'zod';
import { type Language, type Texts, textIn } from '../core/languages.ts';
import { duration } from './schema-parts.ts';

const DAY = 86_400_000;
/** Letters of a message. */
const LONGEST_MESSAGE = 500;
const text = () => z.string().min(1).max(LONGEST_MESSAGE);

/** What readings that are not good mean to a rule. */
export interface QualityPolicy {
  /** `ignore`: a bad reading says nothing. `alarm`, `normal`: it counts as a value that is in alarm, or normal. */
  readonly bad: 'ignore' | 'alarm' | 'normal';
  /** `use`: an uncertain value is a value. `ignore`: it says nothing. */
  readonly uncertain: 'use' | 'ignore';
}

export const policyKeys = {
  hold: duration({ max: 365 * DAY })
    .optional()
    .describe('How long the alarm stays at least, once it began. It then ends with the next normal value. Default 0s.'),
  quality: z
    .strictObject({
      bad: z
        .enum(['ignore', 'alarm', 'normal'])
        .prefault('ignore')
        .describe(
          'The meaning of a bad reading. `ignore`: nothing, so the last value stands. `alarm`: the condition holds. `normal`: it does not hold.',
        ),
      uncertain: z
        .enum(['use', 'ignore'])
        .prefault('use')
        .describe('The meaning of an uncertain reading. `use`: its value counts. `ignore`: it says nothing.'),
    })
    .optional()
    .describe('The meaning that readings have for the rule when they are not good.'),
  message: z
    .union(
      [
        text(),
        z.strictObject({
          en: text().optional().describe('The text in English.'),
          bn: text().optional().describe('The text in Bangla.'),
        }),
      ],
      {
        error: 'write a text, or one for each language: {en: …, bn: …}',
      },
    )
    .optional()
    .describe(
      'The text that people read, or one for each language (`en`, `bn`). Without it the gateway makes one from the rule.',
    ),
};

export interface WrittenPolicy {
  readonly hold?: number;
  readonly quality?: QualityPolicy;
  readonly message?: Texts;
}

/** @param language of the gateway: that of the message which leaves it */
export function policyOf({ hold = 0, quality, message }: WrittenPolicy, language: Language) {
  const isUsual = quality === undefined || (quality.bad === 'ignore' && quality.uncertain === 'use');
  return {
    message: message === undefined ? undefined : textIn(message, language),
    ...(typeof message === 'object' && { texts: message }),
    ...(language !== 'en' && { language }),
    ...(hold > 0 && { hold }),
    ...(!isUsual && { quality }),
  };
}

/** Faults between these keys and the kind, as [key, words]. */
export function policyFaults({ quality, message }: WrittenPolicy, kind: string): readonly (readonly [string, string])[] {
  return [
    ...(quality !== undefined && quality.bad !== 'ignore' && kind === 'stale'
      ? [['quality', 'a bad reading is no value to stale, so bad: has no meaning; remove it'] as const]
      : []),
    ...(typeof message === 'object' && Object.values(message).every((one) => one === undefined)
      ? [['message', 'the message has no text; write {en: …, bn: …}, or remove it'] as const]
      : []),
  ];
}
