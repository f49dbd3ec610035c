/** What a sentence for people must not have. docs/reference/words.md has the vocabulary. */

/** Longer sentences hold more than one thought. The limit of ASD-STE100 for descriptions. */
export const MOST_WORDS = 25;

interface Rule {
  readonly is: RegExp;
  readonly why: string;
}

/** One word for one thing. */
const VOCABULARY: readonly Rule[] = [
  { is: /\bslaves?\b/i, why: 'say "device"' },
  { is: /\b(?:data ?points?|tags?)\b/i, why: 'say "point"' },
  { is: /\b(?:sensor nodes?|edge devices?)\b/i, why: 'say "device" or "gateway"' },
  { is: /\b(?:publishers?|sinks?)\b/i, why: 'say "forwarder", or who sends' },
  { is: /\b(?:dead ?band|hysteresis) of\b/i, why: 'say "deadband"' },
  { is: /\bunit numbers?\b/i, why: 'say "unit id"' },
];
/** Words and turns that a reader needs a dictionary for. */
const PLAIN: readonly Rule[] = [
  { is: /\b(?:told|tells|telling)\b/i, why: 'say "logged", "reported" or "shown"' },
  { is: /\b(?:whoever|whatever|whichever)\b/i, why: 'name the person or the thing' },
  { is: /\b(?:he|him|his|himself)\b/i, why: 'say "the person" or "they"' },
  {
    is: /\b(?:anew|thereof|whereof|lest|hence|thus|meanwhile|alike|betimes|naught|of late|for want of|for ever)\b/i,
    why: 'use an everyday word',
  },
  { is: /\b(?:save|but) for\b/i, why: 'say "except"' },
  { is: /\b(?:bears?|borne)\b/i, why: 'say "accept" or "tolerate"' },
  { is: /\bdear(?:er|est)?\b/i, why: 'say "costly"' },
  { is: /\b(?:mend|mends|mended)\b/i, why: 'say "correct" or "repair"' },
  { is: /\b(?:goes|go|went|going) on\b/i, why: 'say "continue"' },
  { is: /\b(?:is|are|has|have) got\b/i, why: 'say "has"' },
  { is: /\bshall\b/i, why: 'say "must" or "will"' },
  { is: /(?<![\w-])([a-z]{2,}) \1(?![\w-])/, why: 'say the word once' },
];
/** The subject comes first. */
const ORDER: readonly Rule[] = [
  {
    is: /^(?:Never (?:is|are|was|were|does|do|did|has|have|can|may|will)|Nor|Nothing else|Not (?:only|even|until|taken|covered|there))\b/,
    why: 'put the subject first',
  },
  { is: /^Only (?:then|when|after|where|what|who)\b/, why: 'put the subject first' },
  { is: /^(?:Over|Gone|Else|Done|Open) is\b/, why: 'put the subject first' },
  { is: /^Of (?:the|a|an|it|this|these|those|such|which|all|course)\b/, why: 'put the subject first' },
  {
    is: /^(?:Counted|Measured|Asked|Known|Shown|Written|Kept|Left|Meant|Read|Lost|Sent|Tried) (?:is|are|was|were)\b/,
    why: 'put the subject first',
  },
  { is: /^So (?:do|does|did|is|are|was|has|have|can|must|may)\b/, why: 'put the subject first' },
  { is: /^(?:What|Whoever|Who) [^?]*\.$/, why: 'name the thing or the person first' },
];
/** A raw sample is a thing of the code. People read readings. */
const PAGES: readonly Rule[] = [{ is: /\b(?:samples?|sampled|sampling)\b/i, why: 'say "reading"' }];

const RULES = [...VOCABULARY, ...PLAIN, ...ORDER];

/** @returns what is wrong with a sentence, in words */
export function faultsOf(sentence: string, kind: 'page' | 'message'): string[] {
  // A number and its unit are one word.
  const words = sentence.split(/[\s…/]+/).filter((word) => /\p{L}/u.test(word)).length;
  const long = words > MOST_WORDS ? [`${words} words, at most ${MOST_WORDS}: make two sentences`] : [];
  const found = (kind === 'page' ? [...RULES, ...PAGES] : RULES).flatMap(({ is, why }) => {
    const [match] = is.exec(sentence) ?? [];
    return match === undefined ? [] : [`"${match.length > 30 ? `${match.slice(0, 30)}…` : match}": ${why}`];
  });
  return [...long, ...found];
}
