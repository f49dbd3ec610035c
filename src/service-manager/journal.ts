/** A line of the log for the journal of systemd, in its own form: a sentence, its priority, and its data as fields. */

/** Levels of pino, and what syslog(3) calls them. */
const PRIORITIES: readonly (readonly [from: number, priority: number])[] = [
  [60, 2],
  [50, 3],
  [40, 4],
  [30, 6],
  [0, 7],
];
/** Bytes of a message, all fields together. A socket takes more; nobody reads more. */
const MOST = 32_768;
/** Fields of one line. */
const MOST_FIELDS = 32;
const LEFT_OUT = ['level', 'time', 'msg'];

export function priorityOf(level: number): number {
  return PRIORITIES.find(([from]) => level >= from)?.[1] ?? 7;
}

/** @param line JSON of pino. @returns undefined where it is none */
export function journalMessage(line: string): Uint8Array | undefined {
  const data = parsed(line);
  if (data === undefined) return undefined;
  const fields = Object.entries(data)
    .filter(([name, value]) => !LEFT_OUT.includes(name) && value !== undefined && value !== null)
    .slice(0, MOST_FIELDS)
    .map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)] as const);
  const short = fields.filter(([, value]) => value.length <= 80 && !value.includes('\n'));
  const words = `${String(data.msg ?? '')}${short.length === 0 ? '' : ` [${short.map(([name, value]) => `${name}=${value}`).join(' ')}]`}`;
  const head = [
    field('MESSAGE', words),
    field('PRIORITY', String(priorityOf(Number(data.level)))),
    field('SYSLOG_IDENTIFIER', 'sluice'),
  ];
  let left = MOST;
  const tail: Buffer[] = [];
  for (const [name, value] of fields) {
    const part = field(fieldName(name), value);
    if (part.length > left) continue;
    left -= part.length;
    tail.push(part);
  }
  return Buffer.concat([...head, ...tail]);
}

/** The same for a plain stream: a priority that the journal takes off again. */
export function prefixed(line: string): string {
  return `<${priorityOf(Number(parsed(line)?.level ?? 30))}>${line}`;
}

/** Letters, digits and underscores, 64 at most; names that begin with an underscore belong to the journal. */
function fieldName(name: string): string {
  return `SLUICE_${name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/\W/g, '_')
    .toUpperCase()}`.slice(0, 64);
}

/** A value with line breaks has its length before it. */
function field(name: string, text: string): Buffer {
  const value = Buffer.from(text).subarray(0, MOST);
  if (!value.includes(10)) return Buffer.concat([Buffer.from(`${name}=`), value, Buffer.from('\n')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(value.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, value, Buffer.from('\n')]);
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const data: unknown = JSON.parse(line);
    return typeof data === 'object' && data !== null ? (data as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
