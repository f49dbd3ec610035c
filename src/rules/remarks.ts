/**
 * The words about actions on the message of an alarm. Invariants:
 * - Each action has its last outcome there, and no earlier one.
 * - What does not fit is shortened: first the reasons, the longest ones first. Where the names alone do not fit, the oldest outcomes go; the
 *   events `action` have them all. The newest outcome is always there.
 */
import { type Phrase, partsOf, type Sentence, wordsIn } from '../core/sentence.ts';

/** Letters of a reason that stays where nothing fits any more. */
const LEAST_REASON = 100;

/** @param most letters of the words with which the alarm began, and all remarks */
export function withRemark(before: Sentence, remark: Sentence, most: number): Sentence {
  const parts = partsOf(before);
  if (!isOutcome(remark)) return lettersOf([...parts, remark]) <= most ? { parts: [...parts, remark] } : before;
  const action = actionOf(remark);
  const other = parts.filter((part) => !isOutcome(part) || actionOf(part) !== action);
  // Remarks stand side by side, so that a sentence has no more levels than the catalogue gives it.
  return { parts: fitted([...other, remark], most) };
}

function fitted(parts: readonly Sentence[], most: number): readonly Sentence[] {
  if (lettersOf(parts) <= most) return parts;
  const outcomes = parts.filter(isOutcome);
  const room = most - lettersOf(parts.map((part) => (isOutcome(part) ? { ...part, why: '' } : part)));
  if (room < outcomes.length && outcomes.length > 1) return fitted(parts.toSpliced(parts.findIndex(isOutcome), 1), most);
  const longest = levelOf(
    outcomes.map((one) => reasonOf(one).length),
    room < outcomes.length ? LEAST_REASON : room,
  );
  return parts.map((part) => (isOutcome(part) ? { ...part, why: shortened(reasonOf(part), longest) } : part));
}

/** The bound on each length with which all of them fit into the room. */
function levelOf(lengths: readonly number[], room: number): number {
  let left = room;
  for (const [i, length] of lengths.toSorted((a, b) => a - b).entries()) {
    const share = Math.floor(left / (lengths.length - i));
    if (length > share) return share;
    left -= length;
  }
  return Number.POSITIVE_INFINITY;
}

function shortened(words: string, most: number): string {
  // A letter of two units is not cut in two.
  return words.length <= most ? words : `${words.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

function lettersOf(parts: readonly Sentence[]): number {
  return parts.reduce((sum, part) => sum + wordsIn(part, 'en').length + 1, 0);
}

function isOutcome(part: Sentence): part is Phrase {
  return typeof part === 'object' && 'say' in part && (part.say === 'action-failed' || part.say === 'action-failing');
}

function actionOf({ action = '' }: Phrase): string {
  return wordsIn(action, 'en');
}

function reasonOf({ why = '' }: Phrase): string {
  return wordsIn(why, 'en');
}
