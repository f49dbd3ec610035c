/** A fault is for a person who has the file open: where it is, what is wrong, what to write instead. */

export type Path = readonly (string | number)[];

export interface Fault {
  /** As it was given to the loader; for a profile, the path of the profile's file. */
  readonly file: string;
  /** 1-based. 1:1 when the whole file is meant. */
  readonly line: number;
  readonly column: number;
  /** `devices.pump.points.speed.scale`; empty when the whole file is meant. */
  readonly path: string;
  readonly message: string;
}

export function pathText(path: Path): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text === '' ? key : `${text}.${key}`),
    '',
  );
}

/** Signs of a message, and of a path in a line. Names of a file may be as long as the file. */
const LONGEST_MESSAGE = 2000;
const LONGEST_PATH = 300;
/** What a terminal obeys, and what looks like a blank or like nothing. The joiners of Bangla stay. */
const UNSEEN =
  /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u00a0\u00ad\u061c\u1680\u2000-\u200b\u200e\u200f\u202a-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** A text with words of the file in it, as people may see it: `none\u200b` and not `none`. */
export function shownText(text: string, longest = LONGEST_MESSAGE): string {
  const short = text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
  return short.replaceAll(UNSEEN, (sign) => `\\u${(sign.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
}

/** `file:line:column: path: what is wrong and what to write instead` */
export function formatFault(fault: Fault): string {
  const place = `${fault.file}:${fault.line}:${fault.column}`;
  return fault.path === '' ? `${place}: ${fault.message}` : `${place}: ${shownText(fault.path, LONGEST_PATH)}: ${fault.message}`;
}

/** File order; the order of the files is that in which they were first met. The same words at the same place are given once. */
export function inFileOrder(faults: readonly Fault[], files: readonly string[]): Fault[] {
  const rank = new Map(files.map((file, i) => [file, i]));
  const seen = new Set<string>();
  return [...faults]
    .sort(
      (a, b) => (rank.get(a.file) ?? files.length) - (rank.get(b.file) ?? files.length) || a.line - b.line || a.column - b.column,
    )
    .filter((fault) => {
      const key = `${fault.file}:${fault.line}:${fault.column}:${fault.message}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
}

/** How often the same sentence is given before the places are listed instead. */
const MOST_ALIKE = 2;
const MOST_LINES = 8;

/** One missing line can make the same fault in many places: the first of them names the lines of the others. */
export function folded(faults: readonly Fault[]): Fault[] {
  const alike = Map.groupBy(faults, ({ file, message }) => `${file}\n${message}`);
  return faults.flatMap((fault) => {
    const same = alike.get(`${fault.file}\n${fault.message}`) ?? [fault];
    if (same.length <= MOST_ALIKE) return [fault];
    if (same[0] !== fault) return [];
    const lines = [...new Set(same.map(({ line }) => line))].filter((line) => line !== fault.line);
    if (lines.length === 0) return [fault];
    const more = lines.length > MOST_LINES ? ` and ${lines.length - MOST_LINES} more` : '';
    return [
      {
        ...fault,
        message: `${fault.message} (also in ${lines.length === 1 ? 'line' : 'lines'} ${lines.slice(0, MOST_LINES).join(', ')}${more})`,
      },
    ];
  });
}
