/** What a sentence for people must not have. The words are those of the vocabulary in docs/reference/words.md. */
export const MOST_WORDS = 30;

interface Rule {
  readonly is: RegExp;
  readonly why: string;
}

/** Rules for pages, comments and messages. */
const RULES: readonly Rule[] = [
  { is: /\bslaves?\b/i, why: 'say "device"' },
  { is: /\bdata ?points?\b/i, why: 'say "point"' },
  { is: /\btags?\b/i, why: 'say "point"' },
  { is: /\bsensor nodes?\b|\bedge devices?\b/i, why: 'say "device" or "gateway"' },
  { is: /\b(publishers?|sinks?)\b/i, why: 'say "forwarder", or who sends' },
  { is: /\bsetpoints? (?:of|for) the (?:alarm|rule)\b/i, why: 'say "limit"' },
  { is: /\b(told|tells|telling)\b/i, why: 'say "logged", "reported" or "shown"' },
  { is: /\b(whoever|whatever|whichever)\b/i, why: 'name the person or the thing' },
  { is: /\b(he|him|his|himself)\b/i, why: 'say "the person" or "they"' },
  { is: /\b(anew|thereof|whereof|lest|hence|thus|alike|of late|for want of|betimes|naught)\b/i, why: 'use an everyday word' },
  { is: /\b(save|but) for\b(?! \d)/i, why: 'say "except"' },
  { is: /\bbear(s)?\b|\bborne\b/i, why: 'say "accept" or "tolerate"' },
  { is: /\bdear(er|est)?\b/i, why: 'say "costly"' },
  { is: /\b(is|are|has|have) got\b/i, why: 'say "has"' },
  {
    is: /^(Never (?:is|are|was|does|do|has|have|can|will|may|shall)|Never\.?$|Nor|Nothing else|Not (only|even|until|taken|covered|there)|Only (then|when|after|where|what|who)|Over is|Gone|Of (?:the|a|an|it|this|these|those|such|which|all|course)|Else)\b/,
    why: 'put the subject first',
  },
  { is: /^(What|Where|When|Which|How|Who)\b[^?]*\b(is|are|has|have|goes|go|comes|come|stays?|lies?)\b[^?,]*[^?]$/, why: '' },
  {
    is: /^(Counted|Measured|Asked|Known|Shown|Written|Kept|Left|Told|Meant|Read) (is|are|was|were)\b/,
    why: 'put the subject first',
  },
  { is: /^So (do|does|did|is|are|was|has|have|can|must|may)\b/, why: 'put the subject first' },
];
/** Rules for pages only: the code and its messages have other uses of the word. */
const PAGE_RULES: readonly Rule[] = [{ is: /\b(samples?|sampled|sampling)\b/i, why: 'say "reading"' }];

export function faultsOf(sentence: string, kind: 'page' | 'message'): string[] {
  const words = sentence.split(/[\s…/]+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length;
  const found = words > MOST_WORDS ? [`${words} words; at most ${MOST_WORDS}`] : [];
  for (const { is, why } of kind === 'page' ? [...RULES, ...PAGE_RULES] : RULES) {
    const [match] = is.exec(sentence) ?? [];
    if (match !== undefined && why !== '') found.push(`"${match}": ${why}`);
  }
  return found;
}
