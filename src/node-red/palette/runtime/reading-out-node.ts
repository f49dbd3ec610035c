/**
 * Readings that a flow makes, on their way into the gateway.
 *
 * Invariants:
 * - The readings of one node go in order: one call is with the gateway, the others wait and go together in the next one.
 * - At most MOST_WAITING wait; what comes beyond is left out, counted, shown, and reported once a second. So is what the gateway
 *   takes and leaves out for a newer reading of the same point.
 * - A message is done when the gateway has answered for its reading.
 */
import { typed } from './ask-nodes.ts';
import { CallError } from './connection.ts';
import { type Config, fail, type Kit, linkOf, Refusal, report, text } from './kit.ts';
import type { Link } from './link.ts';
import type { Done, Message, RedNode } from './red.ts';
import { evaluate, expand, InputError, pointFrom, timeFrom, valueFrom } from './values.ts';
import { isFields } from './wire.ts';

const MOST_WAITING = 1000;
/** Readings and bytes of one call. */
const MOST_READINGS = 200;
const MOST_BYTES = 48 * 1024;
const WITHIN = 30_000;
const LONGEST_UNIT = 50;
const LONGEST_REASON = 200;

interface Put {
  readonly point: string;
  readonly value?: number | string | boolean;
  readonly time: number;
  readonly unit?: string;
  readonly bad?: string;
}
interface Waiting {
  readonly put: Put;
  readonly bytes: number;
  readonly done: Done;
  readonly message: Message;
}

export function readingOut(kit: Kit, node: RedNode, config: Config): void {
  const link = linkOf(kit, node, config);
  const [refused, replaced] = [new Refusal(), new Refusal()];
  const waiting: Waiting[] = [];
  let [asked, sending, closed] = [0, false, false];
  const refuse = (done: Done): void => {
    link.throttled();
    refused.add(1, `${MOST_WAITING} readings wait for the gateway`, (error) => fail(node, done, error));
  };
  const next = async (): Promise<void> => {
    if (sending) return;
    sending = true;
    while (waiting.length > 0 && !closed && link.connection?.state === 'connected')
      await send(node, link, take(waiting), replaced);
    sending = false;
  };
  const add = async (message: Message, done: Done): Promise<void> => {
    if (waiting.length + asked >= MOST_WAITING) {
      refuse(done);
      return;
    }
    asked++;
    try {
      const put = await putOf(kit, node, config, message, () => link.open.now());
      const { state } = link.open;
      if (state === 'disconnected') throw new CallError('not-connected', 'there is no connection to the gateway');
      waiting.push({ put, bytes: Buffer.byteLength(JSON.stringify(put)) + 1, done, message });
    } catch (thrown) {
      fail(node, done, thrown);
    } finally {
      asked--;
    }
    await next();
  };
  node.on('input', (message, _send, done) => void add(message, done));
  if (link.connection === undefined) return;
  const { connection } = link;
  const endAll = (why: string): void => {
    for (const { done } of waiting.splice(0)) fail(node, done, new CallError('not-connected', why));
  };
  link.add(
    connection.onChange(() => {
      // The gateway takes readings of now only: they would be too old after the outage.
      if (connection.state === 'disconnected') endAll('the connection to the gateway ended before it had the reading');
      else void next();
    }),
  );
  link.add(() => {
    closed = true;
    endAll('the node was closed before the gateway had the reading');
    for (const one of [refused, replaced]) one.end();
  });
}

function take(waiting: Waiting[]): Waiting[] {
  let [n, bytes] = [0, 0];
  while (n < waiting.length && n < MOST_READINGS) {
    bytes += waiting[n]?.bytes ?? 0;
    if (bytes > MOST_BYTES && n > 0) break;
    n++;
  }
  return waiting.splice(0, n);
}

async function send(node: RedNode, link: Link, batch: readonly Waiting[], replaced: Refusal): Promise<void> {
  try {
    const { result } = await link.open.call('put', { readings: batch.map(({ put }) => put) }, WITHIN);
    const faultOf = faultsOf(isFields(result) ? result : {});
    const leftOut = isFields(result) && Number.isSafeInteger(result.leftOut) ? Number(result.leftOut) : 0;
    const newest = batch.at(-1)?.message;
    if (leftOut > 0 && newest !== undefined) {
      link.throttled();
      // Their messages are done: the gateway took them, and left them out when newer ones came.
      replaced.add(leftOut, 'the device takes fewer readings in a second (perSecond)', (error) => report(node, error, newest));
    }
    for (const [i, { put, done }] of batch.entries()) {
      const fault = faultOf(i, put.point);
      if (fault === undefined) done();
      else fail(node, done, fault);
    }
  } catch (thrown) {
    for (const { done } of batch) fail(node, done, thrown);
  }
}

/** Why the reading at a place of the list was not taken; undefined: it was. */
function faultsOf({ refused, refusedAt }: Readonly<Record<string, unknown>>) {
  const named: unknown[] = Array.isArray(refused) ? refused : [];
  const faults = named.filter(isFields).map(({ code, message }) => new CallError(String(code), String(message)));
  const unnamed = new CallError('request-invalid', 'the gateway refused this reading too; the errors before it say why');
  if (Array.isArray(refusedAt)) {
    // It names the first of them only.
    const all = new Map(refusedAt.map((at: unknown, k) => [at, faults[k] ?? unnamed]));
    return (i: number): CallError | undefined => all.get(i);
  }
  // A gateway of an earlier version: two of one point share their fate.
  const byPoint = new Map(named.filter(isFields).map(({ point }, k) => [String(point), faults[k]]));
  return (_: number, point: string): CallError | undefined => byPoint.get(point);
}

async function putOf({ red }: Kit, node: RedNode, config: Config, message: Message, now: () => number): Promise<Put> {
  const point = pointFrom(await evaluate(red, node, typed(config, 'point', 'point'), message));
  const { value: timeValue, type: timeType } = typed(config, 'time', 'now');
  const time =
    timeType === 'now' ? now() : timeFrom(await evaluate(red, node, { value: timeValue, type: timeType }, message), 'the time');
  const unit = expand(red, node, text(config, 'unit'));
  if (unit.length > LONGEST_UNIT)
    throw new InputError(`the unit is longer than ${LONGEST_UNIT} characters; write a UCUM code, such as Cel`);
  const about = { point, time, ...(unit === '' ? {} : { unit }) };
  const { quality, reason } = message;
  const bad = typeof reason === 'string' ? reason.slice(0, LONGEST_REASON) : 'invalid';
  if (quality === 'bad') return { ...about, bad };
  const value = valueFrom(await evaluate(red, node, typed(config, 'value', 'msg'), message));
  return { ...about, value, ...(quality === 'uncertain' ? { bad } : {}) };
}
