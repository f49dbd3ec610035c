/**
 * What MQTT demands of a packet that a client sends, before the broker sees it: MQTT 3.1.1 (numbers in brackets are its
 * normative statements) and MQTT 3.1. Pure. A packet that breaks a rule ends the connection (MQTT-4.8.0-1). Where 3.1 and
 * 3.1.1 differ, the level of the CONNECT decides; mqtt31.ts rewrites what only 3.1 allows.
 */
import { isUtf8 } from 'node:buffer';

/** Protocol levels: 3 is MQTT 3.1, 4 is MQTT 3.1.1. */
export type Level = 3 | 4;
/** A bridge adds this bit to its level, to be known as one. The standard has no such bit; brokers accept it. */
const BRIDGE = 128;

export const PACKET = {
  ...{ connect: 1, publish: 3, puback: 4, pubrec: 5, pubrel: 6, pubcomp: 7 },
  ...{ subscribe: 8, suback: 9, unsubscribe: 10, unsuback: 11, pingreq: 12, disconnect: 14 },
} as const;

/**
 * Kinds of rules: the order of packets; the fixed header; lengths that do not fit; texts; a value that may not be; topics and
 * topic filters.
 */
export type Rule = 'order' | 'header' | 'length' | 'text' | 'value' | 'topic';

export interface Broken {
  readonly rule: Rule;
  readonly words: string;
  /** The return code that the standard wants before the connection ends: version, client id. */
  readonly connack?: 1 | 2;
}

export interface CheckLimits {
  /** Bytes and levels of a topic that is published, and levels of a topic filter. */
  readonly topicBytes: number;
  readonly topicLevels: number;
  readonly filterLevels: number;
  /** Topic filters of one packet: the rest of it is not looked at. */
  readonly filters: number;
}

/** Bits of the connect flags. */
export const CONNECT_FLAG = {
  reserved: 1,
  clean: 2,
  will: 4,
  willQos: 0x18,
  willRetain: 0x20,
  password: 0x40,
  user: 0x80,
} as const;
/** Longest client id of MQTT 3.1, characters. */
const LONGEST_ID_31 = 23;

/** What the low half of the first byte has to be; PUBLISH has flags of its own. MQTT-2.2.2-1. */
const FLAGS: Readonly<Record<number, number>> = { 1: 0, 4: 0, 5: 0, 6: 2, 7: 0, 8: 2, 10: 2, 12: 0, 14: 0 };
/** The only length that these may have. */
const EXACT: Readonly<Record<number, number>> = { 4: 2, 5: 2, 6: 2, 7: 2, 12: 0, 14: 0 };
/** In MQTT 3.1 a repeated PUBREL, SUBSCRIBE or UNSUBSCRIBE has the DUP flag. */
export const DUP = 8;
const DUP_IN_31: readonly number[] = [PACKET.pubrel, PACKET.subscribe, PACKET.unsubscribe];

const broken = (rule: Rule, words: string): Broken => ({ rule, words });
const CUT: Broken = broken('length', 'a packet that is shorter than what it holds');
const BEHIND: Broken = broken('length', 'a packet with bytes behind its end');

/** The first byte of a packet. @param level undefined until a CONNECT passed */
export function checkFirst(first: number, level: Level | undefined): Broken | undefined {
  const type = first >> 4;
  const flags = first & 15;
  // MQTT-3.1.0-1, MQTT-3.1.0-2.
  if (level === undefined && type !== PACKET.connect) return broken('order', 'the first packet was not a CONNECT');
  if (type === PACKET.connect) {
    if (level !== undefined) return broken('order', 'a second CONNECT');
    // MQTT 3.1 gives these bits no meaning: judged with the level.
    return undefined;
  }
  if (type === PACKET.publish) {
    const qos = (flags >> 1) & 3;
    // MQTT-3.3.1-4, MQTT-3.3.1-2.
    if (qos === 3) return broken('header', 'a PUBLISH with QoS 3');
    return qos === 0 && (flags & DUP) !== 0 ? broken('header', 'a PUBLISH with QoS 0 and the DUP flag') : undefined;
  }
  const wanted = FLAGS[type];
  if (wanted === undefined)
    return type === 0 || type === 15
      ? broken('header', `a packet of the reserved type ${type}`)
      : broken('order', `a packet of type ${type}, which only a server sends`);
  if (flags === wanted || (level === 3 && flags === (wanted | DUP) && DUP_IN_31.includes(type))) return undefined;
  return wrongFlags(type);
}

/** Its Remaining Length, as soon as it is known. */
export function checkLength(first: number, length: number): Broken | undefined {
  const exact = EXACT[first >> 4];
  if (exact === undefined || exact === length) return undefined;
  return broken('length', `a packet of type ${first >> 4} with ${length} bytes instead of ${exact}`);
}

/**
 * A whole packet, whose first byte and length passed. @param body where its variable header begins @param end behind its last byte
 * @returns what is wrong, or the topic filters in it; more than `limits.filters` when there are too many to look at
 */
export function checkBody(
  bytes: Uint8Array,
  first: number,
  body: number,
  end: number,
  level: Level | undefined,
  limits: CheckLimits,
): Broken | number {
  switch (first >> 4) {
    case PACKET.connect:
      return checkConnect(bytes, first, body, end, limits) ?? 0;
    case PACKET.publish:
      return checkPublish(bytes, first, body, end, limits) ?? 0;
    case PACKET.subscribe:
    case PACKET.unsubscribe:
      return checkFilters(bytes, first >> 4, body, end, limits);
    case PACKET.pingreq:
    case PACKET.disconnect:
      return 0;
    default:
      return level === undefined ? CUT : (checkId(bytes, body, end) ?? 0);
  }
}

/** Name and level of a CONNECT. @returns undefined: it does not hold them */
export function levelOf(
  bytes: Uint8Array,
  body: number,
  end: number,
): { readonly name: string; readonly level: number; readonly at: number } | undefined {
  const at = behindText(bytes, body, end);
  const level = bytes[at ?? end];
  if (at === undefined || at >= end || level === undefined) return undefined;
  // Longer names are wrong whatever they say.
  const name = at - body > 8 ? '' : Buffer.from(bytes.buffer, bytes.byteOffset + body + 2, at - body - 2).toString('latin1');
  return { name, level: level & ~BRIDGE, at };
}

function checkConnect(bytes: Uint8Array, first: number, body: number, end: number, limits: CheckLimits): Broken | undefined {
  const protocol = levelOf(bytes, body, end);
  if (protocol === undefined) return CUT;
  const { name, level } = protocol;
  // MQTT-3.1.2-1.
  if (name !== 'MQTT' && name !== 'MQIsdp') return broken('value', 'a CONNECT with another protocol name');
  const strict = name !== 'MQIsdp' || level !== 3;
  // MQTT-2.2.2-2.
  if (strict && (first & 15) !== 0) return wrongFlags(PACKET.connect);
  let at: number | undefined = protocol.at + 1;
  // One byte of flags, two of keep-alive: every version has them.
  if (at + 3 > end) return CUT;
  // MQTT-3.1.2-2.
  if (strict && (name !== 'MQTT' || level !== 4))
    return { rule: 'value', words: `protocol level ${level} of ${name}`, connack: 1 };
  const flags = bytes[at] as number;
  const fault = checkConnectFlags(flags, strict);
  if (fault !== undefined) return fault;
  const idFrom = at + 3;
  at = behindText(bytes, idFrom, end);
  if (at === undefined) return CUT;
  // MQTT-3.1.3-4.
  const badId = checkText(bytes, idFrom + 2, at);
  if (badId !== undefined) return badId;
  const idEnd = at;
  if ((flags & CONNECT_FLAG.will) !== 0) {
    const topicFrom = at;
    at = behindText(bytes, at, end);
    if (at === undefined) return CUT;
    // MQTT-3.1.3-10; what it is published as later has to hold today.
    const badTopic = checkTopic(bytes, topicFrom + 2, at, limits);
    if (badTopic !== undefined) return badTopic;
    at = behindText(bytes, at, end);
    if (at === undefined) return CUT;
  }
  for (const flag of [CONNECT_FLAG.user, CONNECT_FLAG.password]) {
    if ((flags & flag) === 0) continue;
    // MQTT 3.1 lets the length of the packet decide whether they are there.
    if (!strict && at === end) break;
    const from = at;
    at = behindText(bytes, at, end);
    if (at === undefined) return CUT;
    // MQTT-3.1.3-11; a password may be any bytes.
    const badName = flag === CONNECT_FLAG.user ? checkText(bytes, from + 2, at) : undefined;
    if (badName !== undefined) return badName;
  }
  // MQTT-3.1.2-18, MQTT-3.1.2-20.
  if (at !== end) return BEHIND;
  return checkClientId(bytes, idFrom + 2, idEnd, flags, strict);
}

function checkConnectFlags(flags: number, strict: boolean): Broken | undefined {
  const will = (flags & CONNECT_FLAG.will) !== 0;
  // MQTT 3.1 ignores these two.
  if (strict) {
    // MQTT-3.1.2-3.
    if ((flags & CONNECT_FLAG.reserved) !== 0) return broken('value', 'a CONNECT with the reserved flag');
    // MQTT-3.1.2-13, MQTT-3.1.2-15.
    if (!will && (flags & (CONNECT_FLAG.willQos | CONNECT_FLAG.willRetain)) !== 0)
      return broken('value', 'a CONNECT with QoS or retain of a will, without a will');
  }
  // MQTT-3.1.2-14.
  if (will && (flags & CONNECT_FLAG.willQos) === CONNECT_FLAG.willQos) return broken('value', 'a will with QoS 3');
  // MQTT-3.1.2-22.
  if ((flags & (CONNECT_FLAG.user | CONNECT_FLAG.password)) === CONNECT_FLAG.password)
    return broken('value', 'a CONNECT with a password and no user name');
  return undefined;
}

function checkClientId(bytes: Uint8Array, from: number, to: number, flags: number, strict: boolean): Broken | undefined {
  if (strict) {
    // MQTT-3.1.3-8.
    if (from < to || (flags & CONNECT_FLAG.clean) !== 0) return undefined;
    return { rule: 'value', words: 'an empty client id with clean session 0', connack: 2 };
  }
  let characters = 0;
  for (let i = from; i < to; i++) if (((bytes[i] as number) & 0xc0) !== 0x80) characters++;
  if (characters >= 1 && characters <= LONGEST_ID_31) return undefined;
  return { rule: 'value', words: `a client id of ${characters} characters; MQTT 3.1 has 1 to ${LONGEST_ID_31}`, connack: 2 };
}

function checkPublish(bytes: Uint8Array, first: number, body: number, end: number, limits: CheckLimits): Broken | undefined {
  const at = behindText(bytes, body, end);
  if (at === undefined) return CUT;
  const fault = checkTopic(bytes, body + 2, at, limits);
  if (fault !== undefined) return fault;
  return (first & 6) === 0 ? undefined : checkId(bytes, at, end);
}

function checkFilters(bytes: Uint8Array, type: number, body: number, end: number, limits: CheckLimits): Broken | number {
  const badId = checkId(bytes, body, end);
  if (badId !== undefined) return badId;
  let at: number | undefined = body + 2;
  // MQTT-3.8.3-3, MQTT-3.10.3-2.
  if (at === end) return broken('length', `a packet of type ${type} without a topic filter`);
  let filters = 0;
  while (at < end) {
    if (++filters > limits.filters) return filters;
    const from: number = at + 2;
    at = behindText(bytes, at, end);
    if (at === undefined) return CUT;
    const fault = checkFilter(bytes, from, at, limits);
    if (fault !== undefined) return fault;
    if (type === PACKET.unsubscribe) continue;
    if (at === end) return CUT;
    // MQTT-3-8.3-4: QoS 0 to 2, and the reserved bits are 0.
    if ((bytes[at] as number) > 2) return broken('value', `a subscription with QoS byte ${bytes[at]}`);
    at++;
  }
  return filters;
}

/** MQTT-2.3.1-1: a packet id is there and not 0. */
function checkId(bytes: Uint8Array, at: number, end: number): Broken | undefined {
  if (at + 2 > end) return CUT;
  return bytes[at] === 0 && bytes[at + 1] === 0 ? broken('value', 'a packet with the id 0') : undefined;
}

/** @returns the place behind a length of two bytes and what it measures; undefined when that is not in the packet */
function behindText(bytes: Uint8Array, at: number, end: number): number | undefined {
  if (at + 2 > end) return undefined;
  const behind = at + 2 + (bytes[at] as number) * 256 + (bytes[at + 1] as number);
  return behind > end ? undefined : behind;
}

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;

/** The topic of a message. MQTT-4.7.3-1, MQTT-3.3.2-1, MQTT-3.3.2-2. */
function checkTopic(bytes: Uint8Array, from: number, to: number, limits: CheckLimits): Broken | undefined {
  if (from === to) return broken('topic', 'an empty topic');
  // A bound of this broker: MQTT allows 65,535.
  if (to - from > limits.topicBytes)
    return broken('topic', `a topic of ${to - from} bytes; at most ${limits.topicBytes} are accepted`);
  let levels = 1;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    if (byte === PLUS || byte === HASH) return broken('topic', 'a topic with a wildcard');
    if (byte === SLASH) levels++;
  }
  return tooDeep(levels, limits.topicLevels) ?? checkText(bytes, from, to);
}

/** A topic filter. MQTT-4.7.1-2, MQTT-4.7.1-3, MQTT-4.7.3-1, MQTT-3.8.3-1, MQTT-3.10.3-1. */
function checkFilter(bytes: Uint8Array, from: number, to: number, limits: CheckLimits): Broken | undefined {
  if (from === to) return broken('topic', 'an empty topic filter');
  let levels = 1;
  for (let i = from; i < to; i++) {
    const byte = bytes[i];
    if (byte === SLASH) levels++;
    if (byte !== PLUS && byte !== HASH) continue;
    const alone = (i === from || bytes[i - 1] === SLASH) && (i + 1 === to || (byte === PLUS && bytes[i + 1] === SLASH));
    if (!alone)
      return broken('topic', 'a topic filter with a wildcard that is not alone in its level, or with "#" before the end');
  }
  return tooDeep(levels, limits.filterLevels) ?? checkText(bytes, from, to);
}

/** A bound of this broker: matching takes time by the level. */
function tooDeep(levels: number, most: number): Broken | undefined {
  return levels > most ? broken('topic', `a topic of ${levels} levels; at most ${most} are accepted`) : undefined;
}

/**
 * MQTT-1.5.3-1, MQTT-1.5.3-2: well-formed UTF-8 (no halves of surrogate pairs), no U+0000. Other control characters and code
 * points that are no characters may end the connection (section 1.5.3); here they do: they make lines of logs and terminals lie.
 */
function checkText(bytes: Uint8Array, from: number, to: number): Broken | undefined {
  let ascii = true;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    if (byte < 0x20 || byte === 0x7f) return byte === 0 ? NUL : CONTROL;
    if (byte >= 0x80) ascii = false;
  }
  if (ascii) return undefined;
  if (!isUtf8(bytes.subarray(from, to))) return broken('text', 'a text that is not UTF-8');
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    const next = bytes[i + 1] as number;
    if (byte === 0xc2 && next < 0xa0) return CONTROL;
    // U+FDD0 to U+FDEF, and the last two of each plane.
    if (byte === 0xef && next === 0xb7 && isBetween(bytes[i + 2], 0x90, 0xaf)) return NO_CHARACTER;
    if (byte === 0xef && next === 0xbf && isBetween(bytes[i + 2], 0xbe, 0xbf)) return NO_CHARACTER;
    if (byte >= 0xf0 && (next & 15) === 15 && bytes[i + 2] === 0xbf && isBetween(bytes[i + 3], 0xbe, 0xbf)) return NO_CHARACTER;
  }
  return undefined;
}

const NUL = broken('text', 'a text with U+0000');
const CONTROL = broken('text', 'a text with a control character');
const NO_CHARACTER = broken('text', 'a text with a code point that is no character');

function isBetween(byte: number | undefined, low: number, high: number): boolean {
  return byte !== undefined && byte >= low && byte <= high;
}

function wrongFlags(type: number): Broken {
  return broken('header', `a packet of type ${type} with wrong flags`);
}
