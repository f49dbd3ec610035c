/**
 * Names of points and rules with `*`. A pattern of a node may hold `*` anywhere in either part (`room-*.temperature`). The gateway
 * knows `*` as a whole part only, so the palette asks for the wider pattern and filters what comes.
 */

/** Characters of one pattern. */
const LONGEST = 200;
/** Stars of one part: matching takes time that grows with them. */
const MOST_STARS = 8;
const PART = /^[a-z0-9_*-]+$/;
const NAME = /^[a-z0-9][a-z0-9_-]*$/;

/** @returns whether the text is `device.point` or `*`, with or without `*` in a part */
export function isPattern(text: string): boolean {
  if (text === '*') return true;
  const [device = '', point = '', ...more] = text.split('.');
  return text.length <= LONGEST && more.length === 0 && isPart(device) && isPart(point);
}

/** @returns whether the text is the name of a rule, or such a name with `*` in it */
export function isRulePattern(text: string): boolean {
  return text.length <= LONGEST && isPart(text);
}

function isPart(text: string): boolean {
  return PART.test(text) && text.split('*').length <= MOST_STARS + 1;
}

/** @returns whether it names one point and no other */
export function isExact(pattern: string): boolean {
  return !pattern.includes('*');
}

/** @param point `device.point` */
export function matches(pattern: string, point: string): boolean {
  if (pattern === '*') return true;
  const [device = '', name = ''] = pattern.split('.');
  const dot = point.indexOf('.');
  if (dot === -1) return false;
  return glob(device, point.slice(0, dot)) && glob(name, point.slice(dot + 1));
}

/** Each `*` stands for any number of characters. It takes a time that grows with the product of both lengths, at most. */
export function glob(pattern: string, text: string): boolean {
  let [p, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++;
      mark = t;
    } else if (pattern[p] === text[t]) {
      p++;
      t++;
    } else if (star !== -1) {
      p = star + 1;
      t = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** @returns the pattern in the form of the gateway; it matches at least what the given one matches */
export function wirePattern(pattern: string): string {
  if (pattern === '*') return '*';
  const [device = '', point = ''] = pattern.split('.').map((part) => (NAME.test(part) ? part : '*'));
  return device === '*' && point === '*' ? '*' : `${device}.${point}`;
}
