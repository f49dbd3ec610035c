/**
 * Finds devices on one wire. Nothing it sends can write: functions 3 and 4, 43/14 for the identification, and what the
 * profiles that it compares with read (1 to 4). One request at a time; it ends between two requests when it is cancelled.
 */
import type { ExchangeReply } from '../../admin/wire-target.ts';
import { decodeIdentification } from '../../codecs/modbus-pdu.ts';
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
/** The bridge says that nobody is there (MODBUS Application Protocol, section 7). */
const NOBODY: readonly (number | undefined)[] = [10, 11];

export interface Found {
  readonly unit: number;
  /** Of the first sound answer, ms; null when there was none. */
  readonly latency: number | null;
  readonly sound: number;
  /** Damaged answers, or answers to something else. */
  readonly damaged: number;
  /** Sound answers with more bytes behind or before them. */
  readonly doubled: number;
  /** Vendor, product code, revision and so on, as the device tells them (43/14). */
  readonly identification: readonly string[];
}

export interface Scanning {
  readonly exchange: (look: Look) => Promise<ExchangeReply>;
  readonly sleep: (ms: number) => Promise<unknown>;
  /** ms, without the time of the bytes on a serial wire. */
  readonly timeout: number;
  /** Replies carry no transaction id: one that is late can be seen while another is waited for. */
  readonly serial: boolean;
  readonly signal: AbortSignal;
  readonly progress: (unit: number, done: number, all: number) => void;
  readonly found: (device: Found) => Promise<void>;
}

export async function scanUnits(units: readonly number[], scan: Scanning): Promise<Found[]> {
  const all: Found[] = [];
  const slow = new Set<number>();
  const answered = new Set<number>();
  const look = async (unit: number, timeout: number) => {
    const found = await ask(unit, { ...scan, timeout }, slow);
    if (found === undefined) return;
    answered.add(unit);
    all.push(found);
    await scan.found(found);
  };
  for (const [i, unit] of units.entries()) {
    if (scan.signal.aborted) return all;
    scan.progress(unit, i, units.length);
    await look(unit, scan.timeout);
  }
  // What answers late is seen while the next is asked; after the last one somebody has to be.
  const last = units.at(-1);
  if (scan.serial && last !== undefined) slow.add(last);
  // Sets grow while they are walked through: a slow one may show another.
  for (const unit of slow) if (!answered.has(unit) && !scan.signal.aborted) await look(unit, Math.max(PATIENT, scan.timeout));
  return all;
}

type Outcome = 'sound' | 'damaged' | 'doubled' | 'silent';

/** @param slow takes units whose answers came late, while another was asked */
async function ask(unit: number, scan: Scanning, slow: Set<number>): Promise<Found | undefined> {
  const { exchange, timeout, signal, sleep } = scan;
  const once = async (request: Look['request']): Promise<{ reply: ExchangeReply; outcome: Outcome }> => {
    const reply = await exchange({ unit, request, timeout, quiet: true });
    for (const other of othersIn(reply)) if (other !== unit) slow.add(other);
    return { reply, outcome: outcomeOf(reply) };
  };
  for (const request of PROBES) {
    if (signal.aborted) return undefined;
    const first = await once(request);
    if (first.outcome === 'silent') continue;
    const outcomes: Outcome[] = [first.outcome];
    let latency = first.reply.latency;
    for (let i = 0; i < AGAIN && !signal.aborted; i++) {
      await sleep(SETTLE);
      const next = await once(request);
      latency ??= next.reply.latency;
      outcomes.push(next.outcome);
    }
    const count = (outcome: Outcome) => outcomes.filter((o) => o === outcome).length;
    const sound = count('sound') + count('doubled');
    const identification = sound > 0 && !signal.aborted ? await identify(unit, scan) : [];
    return { unit, latency, sound, damaged: count('damaged'), doubled: count('doubled'), identification };
  }
  return undefined;
}

function outcomeOf({ frames, error }: ExchangeReply): Outcome {
  if (error?.code === 'timeout' || NOBODY.includes(error?.exception)) return 'silent';
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

async function identify(unit: number, { exchange, timeout, signal }: Scanning): Promise<string[]> {
  const told: string[] = [];
  let object: number | undefined = 0;
  for (let part = 0; part < MOST_PARTS && object !== undefined && !signal.aborted; part++) {
    const request: Look['request'] = { kind: 'identify', code: 1, object };
    const { pdu } = await exchange({ unit, request, timeout: 2 * timeout, quiet: true });
    if (pdu === null) break;
    const { objects, next } = decodeIdentification(Buffer.from(pdu, 'hex'));
    for (const bytes of objects.values()) {
      const text = Buffer.from(bytes)
        .toString('latin1')
        .replace(/[^\x20-\x7e\xa0-\xff]/g, ' ')
        .trim();
      if (text !== '') told.push(text);
    }
    object = next;
  }
  return told;
}

/** What the answers of all units together say about the wire, in words for the person who wired it. */
export function verdicts(found: readonly Found[], serial: boolean): string[] {
  const unsound = (f: Found) => f.damaged + f.doubled >= SUSPECT;
  const suspect = found.filter(unsound);
  const clean = found.length - suspect.length;
  if (suspect.length === 0 || !serial) return [];
  if (clean === 0 && suspect.length > 1)
    return [
      'the answers of all devices arrive damaged: check baud rate, parity and stop bits, termination, noise and the common ground wire',
    ];
  return suspect.map(({ unit, damaged, doubled, sound }) => {
    const what = `${damaged} of ${damaged + sound} answers arrive damaged${doubled > 0 ? `, ${doubled} with more bytes around them` : ''}`;
    return clean > 0
      ? `two devices may share address ${unit}: ${what}, while other devices answer cleanly; disconnect one of them and scan again`
      : `two devices may share address ${unit}: ${what}; or baud rate, parity or the wire are wrong: disconnect all devices but one and scan again`;
  });
}
