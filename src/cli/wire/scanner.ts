/**
 * Finds devices on one wire. Nothing it sends can write: functions 3 and 4, 43/14 for the identification, and what the
 * profiles that it compares with read (1 to 4). One request at a time; it ends between two requests when it is cancelled, and
 * never because of what comes.
 */
import type { ExchangeReply } from '../../admin/wire-target.ts';
import { decodeIdentification } from '../../codecs/modbus-pdu.ts';
import { meansNobody, NOBODY, oddityOf } from './oddity.ts';
import type { Look } from './wire.ts';

/** Known addresses: what most instruments are delivered with, then those of larger makers (Victron GX 100, SMA 126, Fronius meters 240). */
export const QUICK: readonly number[] = [...Array.from({ length: 16 }, (_, i) => i + 1), 100, 126, 240, 247];
/** MODBUS over Serial Line V1.02, section 2.2. */
export const FULL: readonly number[] = Array.from({ length: 247 }, (_, i) => i + 1);

/** A device that is there answers one of these, if only by an exception. */
const PROBES = [
  { kind: 'read', table: 'holding', start: 0, count: 1 },
  { kind: 'read', table: 'input', start: 0, count: 1 },
] as const;
/** Asked again so often, to see whether all answers are sound. */
const AGAIN = 4;
/** Pause before each of these, ms: a second device with the same number has had its say by then. */
const SETTLE = 40;
/** For devices whose answers came after the time-out, ms. */
const PATIENT = 1000;
/** Unsound answers of one unit, of 1 + AGAIN, that make it suspect. */
const SUSPECT = 2;
/** Replies that the identification may take. */
const MOST_PARTS = 8;
export interface Found {
  readonly unit: number;
  /** The latency of the first sound answer, ms; null when there was none. */
  readonly latency: number | null;
  readonly sound: number;
  /** Damaged answers, or answers to something else. */
  readonly damaged: number;
  /** Sound answers with more bytes behind or before them. */
  readonly doubled: number;
  /** Vendor, product code, revision and so on, as the device gives them (43/14). */
  readonly identification: readonly string[];
}

/** Units, each under what was wrong with it, in words. */
export interface ScanEnd {
  readonly found: readonly Found[];
  /** Answered with nothing that is sound: on a network. */
  readonly odd: ReadonlyMap<string, readonly number[]>;
  /** The connection was closed each time they were asked. */
  readonly closed: readonly number[];
  /** They could not be asked. */
  readonly unasked: ReadonlyMap<string, readonly number[]>;
}

export interface Scanning {
  /** No answer makes it reject; see PatientWire. */
  readonly exchange: (look: Look) => Promise<ExchangeReply>;
  readonly sleep: (ms: number) => Promise<unknown>;
  /** ms, without the time of the bytes on a serial wire. */
  readonly timeout: number;
  /** Replies carry no transaction id: one that is late can be seen while another is waited for. */
  readonly serial: boolean;
  readonly signal: AbortSignal;
  readonly progress: (unitId: number, done: number, all: number) => void;
  readonly found: (device: Found) => Promise<void>;
}

export async function scanUnits(unitIds: readonly number[], scan: Scanning): Promise<ScanEnd> {
  const all: Found[] = [];
  const end = { found: all, odd: new Map<string, number[]>(), closed: [] as number[], unasked: new Map<string, number[]>() };
  const note = (list: Map<string, number[]>, words: string, unitId: number) =>
    list.set(words, [...(list.get(words) ?? []), unitId]);
  const slow = new Set<number>();
  const answered = new Set<number>();
  const look = async (unitId: number, timeout: number) => {
    const came = await ask(unitId, { ...scan, timeout }, slow);
    if (came.kind === 'silent') return;
    answered.add(unitId);
    if (came.kind === 'found') {
      all.push(came.found);
      await scan.found(came.found);
    } else if (came.kind === 'closed') end.closed.push(unitId);
    else note(end[came.kind], came.words, unitId);
  };
  for (const [i, unitId] of unitIds.entries()) {
    if (scan.signal.aborted) return end;
    scan.progress(unitId, i, unitIds.length);
    await look(unitId, scan.timeout);
  }
  // A late answer is seen while the next unit is asked, so the last unit is asked once more.
  const last = unitIds.at(-1);
  if (scan.serial && last !== undefined) slow.add(last);
  // Sets grow while they are walked through: a slow one may show another.
  for (const unitId of slow)
    if (!answered.has(unitId) && !scan.signal.aborted) await look(unitId, Math.max(PATIENT, scan.timeout));
  return end;
}

type Outcome = 'sound' | 'damaged' | 'doubled' | 'silent' | 'closed' | 'unasked';
type Came =
  | { readonly kind: 'found'; readonly found: Found }
  | { readonly kind: 'odd' | 'unasked'; readonly words: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'closed' };

/** @param slow takes units whose answers came late, while another was asked */
async function ask(unitId: number, scan: Scanning, slow: Set<number>): Promise<Came> {
  const { exchange, timeout, signal, sleep } = scan;
  const once = async (request: Look['request']): Promise<{ reply: ExchangeReply; outcome: Outcome }> => {
    const reply = await exchange({ unit: unitId, request, timeout, quiet: true });
    for (const other of othersIn(reply)) if (other !== unitId) slow.add(other);
    return { reply, outcome: outcomeOf(reply, scan.serial) };
  };
  for (const request of PROBES) {
    if (signal.aborted) return { kind: 'silent' };
    const first = await once(request);
    if (first.outcome === 'silent') continue;
    if (first.outcome === 'closed') return { kind: 'closed' };
    if (first.outcome === 'unasked') return { kind: 'unasked', words: first.reply.error?.message ?? '' };
    const outcomes: Outcome[] = [first.outcome];
    let latency = first.reply.latency;
    let last = first.reply;
    // On a network each unsound reply costs the connection, and one more of them is enough to know.
    const most = first.outcome === 'damaged' && !scan.serial ? 1 : AGAIN;
    for (let i = 0; i < most && !signal.aborted; i++) {
      await sleep(SETTLE);
      const next = await once(request);
      if (next.outcome === 'damaged') last = next.reply;
      latency ??= next.reply.latency;
      outcomes.push(next.outcome);
    }
    const count = (outcome: Outcome) => outcomes.filter((o) => o === outcome).length;
    const sound = count('sound') + count('doubled');
    if (sound === 0 && !scan.serial) return { kind: 'odd', words: oddityOf(last) };
    const identification = sound > 0 && !signal.aborted ? await identify(unitId, scan) : [];
    const found = { unit: unitId, latency, sound, damaged: count('damaged'), doubled: count('doubled'), identification };
    return { kind: 'found', found };
  }
  return { kind: 'silent' };
}

function outcomeOf(reply: ExchangeReply, serial: boolean): Outcome {
  const { frames, error } = reply;
  if (error?.code === 'timeout' || NOBODY.includes(error?.exception) || (!serial && meansNobody(reply))) return 'silent';
  if (error?.code === 'bus-closed') return frames.length === 0 ? 'unasked' : 'closed';
  if (error !== null && error.code !== 'exception') return 'damaged';
  return frames.some((f) => f.way === 'noise') ? 'doubled' : 'sound';
}

/** Units of sound RTU frames that came; on networks the unit stands elsewhere, and late answers are not seen here. */
function othersIn({ frames }: ExchangeReply): number[] {
  const [out] = frames.filter((f) => f.way === 'out');
  // An RTU request of functions 3 and 4 has 8 bytes, of 43/14 7; ASCII and MBAP frames are longer.
  if (out === undefined || out.bytes.length > 16) return [];
  return frames.filter((f) => f.way === 'in').map((f) => Number.parseInt(f.bytes.slice(0, 2), 16));
}

async function identify(unitId: number, { exchange, timeout, signal }: Scanning): Promise<string[]> {
  const texts: string[] = [];
  let object: number | undefined = 0;
  for (let part = 0; part < MOST_PARTS && object !== undefined && !signal.aborted; part++) {
    const request: Look['request'] = { kind: 'identify', code: 1, object };
    const { pdu } = await exchange({ unit: unitId, request, timeout: 2 * timeout, quiet: true });
    if (pdu === null) break;
    const { objects, next } = decodeIdentification(Buffer.from(pdu, 'hex'));
    for (const bytes of objects.values()) {
      const text = Buffer.from(bytes)
        .toString('latin1')
        .replace(/[^\x20-\x7e\xa0-\xff]/g, ' ')
        .trim();
      if (text !== '') texts.push(text);
    }
    object = next;
  }
  return texts;
}

/** What the answers of all units together say about the wire, in words for the person who wired it. */
export function verdicts({ found, odd, closed, unasked }: ScanEnd, serial: boolean): string[] {
  const lonely = found.length === 0 && odd.size === 0 && closed.length > 0;
  return [
    ...[...odd].map(([words, unitIds]) => `${unitWords(unitIds)}: something answers ${words}`),
    ...(lonely
      ? [
          `the connection was closed without an answer (${unitWords(closed)}): a device with one connection does so while another program uses it. End that program, or scan through the gateway that polls the device`,
        ]
      : []),
    ...[...unasked].map(([words, unitIds]) => `${unitWords(unitIds)} could not be asked: ${words}`),
    ...soundness(found, serial),
  ];
}

/** `unit 3`, `units 2 to 6, 100` */
function unitWords(unitIds: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const unitId of unitIds.toSorted((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] === unitId - 1) run[1] = unitId;
    else runs.push([unitId, unitId]);
  }
  const list = runs.map(([first, last]) => (first === last ? first : `${first}${last === first + 1 ? ',' : ' to'} ${last}`));
  return `${unitIds.length === 1 ? 'unit' : 'units'} ${list.join(', ')}`;
}

function soundness(found: readonly Found[], serial: boolean): string[] {
  const unsound = (f: Found) => f.damaged + f.doubled >= SUSPECT;
  const suspect = found.filter(unsound);
  const clean = found.length - suspect.length;
  if (suspect.length === 0 || !serial) return [];
  if (clean === 0 && suspect.length > 1)
    return [
      'the answers of all devices arrive damaged: check baud rate, parity and stop bits, termination, noise and the common ground wire',
    ];
  return suspect.map(({ unit: unitId, damaged, doubled, sound }) => {
    const what = `${damaged} of ${damaged + sound} answers arrive damaged${doubled > 0 ? `, ${doubled} with more bytes around them` : ''}`;
    return clean > 0
      ? `two devices may share address ${unitId}: ${what}, while other devices answer cleanly; disconnect one of them and scan again`
      : `two devices may share address ${unitId}: ${what}; or baud rate, parity or the wire are wrong: disconnect all devices but one and scan again`;
  });
}
