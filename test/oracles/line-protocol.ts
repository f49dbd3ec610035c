/**
 * A strict reader of line protocol, after InfluxData's reference: what it does not allow is a fault here, where databases
 * are more forgiving. It shares nothing with the encoder.
 */
export interface Point {
  readonly measurement: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly fields: ReadonlyMap<string, number | bigint | boolean | string>;
  readonly time: bigint;
}

const FLOAT = /^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

/** @throws Error that names the place */
export function parseLines(text: string): Point[] {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line has no end');
  return text.split('\n').slice(0, -1).map(parseLine);
}

function parseLine(line: string): Point {
  let at = 0;
  const fail = (what: string): never => {
    throw new Error(`${what} at ${at} of ${line}`);
  };
  /** Up to one of `ends`; `escaped` are the characters that a backslash may stand before. */
  const word = (ends: string, escaped: string): string => {
    let out = '';
    for (; at < line.length; at++) {
      const c = line[at] as string;
      if (ends.includes(c)) return out === '' ? fail('an empty word') : out;
      if (c === '\\') {
        if (!escaped.includes(line[at + 1] ?? 'x')) fail('a backslash before something else');
        at++;
        out += line[at];
      } else if (escaped.includes(c) || c < ' ') fail(`${JSON.stringify(c)} without a backslash`);
      else out += c;
    }
    return out;
  };
  const take = (c: string): void => {
    if (line[at] !== c) fail(`no ${JSON.stringify(c)}`);
    at++;
  };
  const measurement = word(', ', ', ');
  if (/^[#_]/.test(measurement)) fail('a measurement that is reserved');
  const tags = new Map<string, string>();
  let before = '';
  while (line[at] === ',') {
    at++;
    const key = word('=', ',= ');
    take('=');
    if (key <= before) fail('tags out of order, or twice');
    before = key;
    tags.set(key, word(', ', ',= '));
  }
  take(' ');
  const fields = new Map<string, number | bigint | boolean | string>();
  for (;;) {
    const key = word('=', ',= ');
    take('=');
    if (fields.has(key) || key === 'time') fail('a field twice, or a reserved one');
    fields.set(key, line[at] === '"' ? text() : scalar());
    if (line[at] !== ',') break;
    at++;
  }
  take(' ');
  const digits = line.slice(at);
  if (!/^-?\d+$/.test(digits)) fail('no timestamp');
  return { measurement, tags, fields, time: BigInt(digits) };

  function text(): string {
    let out = '';
    for (at++; at < line.length; at++) {
      const c = line[at] as string;
      if (c === '"') {
        at++;
        return out;
      }
      if (c < ' ') fail('a control character in a text');
      if (c === '\\') {
        if (!'"\\'.includes(line[at + 1] ?? 'x')) fail('a backslash before something else');
        at++;
        out += line[at];
      } else out += c;
    }
    return fail('a text without end');
  }
  function scalar(): number | bigint | boolean {
    const end = /[ ,]/.exec(line.slice(at))?.index ?? fail('a value without end');
    const token = line.slice(at, at + end);
    at += end;
    if (token === 'true' || token === 'false') return token === 'true';
    if (/^-?\d+i$/.test(token) || /^\d+u$/.test(token)) {
      const value = BigInt(token.slice(0, -1));
      const fits = token.endsWith('u') ? BigInt.asUintN(64, value) === value : BigInt.asIntN(64, value) === value;
      return fits ? value : fail('an integer of more than 64 bits');
    }
    return FLOAT.test(token) ? Number(token) : fail(`a value ${token}`);
  }
}
