/**
 * What MQTT 3.1.1 and 3.1 allow a client to send, once more and written differently from src/forwarders/broker/packet-check.ts:
 * one packet is read field by field, and the first thing that is not allowed is thrown.
 */

class Refused extends Error {}

function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Refused(what);
}

class Fields {
  readonly #bytes: Uint8Array;
  #at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get left(): number {
    return this.#bytes.length - this.#at;
  }
  take(count: number): Uint8Array {
    must(this.left >= count, 'too short');
    this.#at += count;
    return this.#bytes.slice(this.#at - count, this.#at);
  }
  byte(): number {
    return this.take(1)[0] as number;
  }
  number(): number {
    const [high = 0, low = 0] = this.take(2);
    return (high << 8) | low;
  }
  binary(): Uint8Array {
    return this.take(this.number());
  }
  text(): string {
    const bytes = this.binary();
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw new Refused('not UTF-8');
    }
    must(!/\p{Cc}/u.test(text), 'a control character');
    for (const character of text) {
      const code = character.codePointAt(0) as number;
      must((code & 0xfffe) !== 0xfffe && !(code >= 0xfdd0 && code <= 0xfdef), 'no character');
    }
    return text;
  }
  id(): void {
    must(this.number() !== 0, 'id 0');
  }
  end(): void {
    must(this.left === 0, 'bytes behind');
  }
}

export interface Bounds {
  readonly topicBytes: number;
  readonly topicLevels: number;
  readonly filterLevels: number;
}

function topic(text: string, { topicBytes, topicLevels }: Bounds): void {
  must(text !== '' && !/[+#]/.test(text), 'topic');
  must(Buffer.byteLength(text) <= topicBytes, 'length');
  must(text.split('/').length <= topicLevels, 'levels');
}

function filter(text: string, levels: number): void {
  must(/^(?:(?:[^+#/]*|\+)(?:\/(?:[^+#/]*|\+))*(?:\/#)?|#)$/.test(text) && text !== '', 'filter');
  must(text.split('/').length <= levels, 'levels');
}

/** @param level of the CONNECT before; undefined: there was none @returns whether the packet (exactly one, whole) is allowed */
export function allowed(packet: Uint8Array, level: 3 | 4 | undefined, bounds: Bounds): boolean {
  try {
    read(new Fields(packet), level, bounds);
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

function read(fields: Fields, level: 3 | 4 | undefined, bounds: Bounds): void {
  const first = fields.byte();
  const [type, flags] = [first >> 4, first & 15];
  let more = 128;
  for (let i = 0; more >= 128; i++) {
    must(i < 4, 'endless length');
    more = fields.byte();
  }
  must((type === 1) === (level === undefined), 'order');
  const again = level === 3 ? [2, 10] : [2];
  switch (type) {
    case 1:
      readConnect(fields, flags, bounds);
      break;
    case 3: {
      const qos = (flags >> 1) & 3;
      must(qos < 3 && !(qos === 0 && flags >= 8), 'flags');
      topic(fields.text(), bounds);
      if (qos > 0) fields.id();
      return;
    }
    case 4:
    case 5:
    case 7:
      must(flags === 0, 'flags');
      fields.id();
      break;
    case 6:
      must(again.includes(flags), 'flags');
      fields.id();
      break;
    case 8:
    case 10:
      must(again.includes(flags), 'flags');
      fields.id();
      must(fields.left > 0, 'no filter');
      while (fields.left > 0) {
        filter(fields.text(), bounds.filterLevels);
        if (type === 8) must(fields.byte() < 3, 'QoS');
      }
      break;
    case 12:
    case 14:
      must(flags === 0, 'flags');
      break;
    default:
      throw new Refused('type');
  }
  fields.end();
}

function readConnect(fields: Fields, header: number, bounds: Bounds): void {
  const name = Buffer.from(fields.binary()).toString('latin1');
  const level = fields.byte() & 127;
  const old = name === 'MQIsdp' && level === 3;
  must(old || (name === 'MQTT' && level === 4), 'protocol');
  must(old || header === 0, 'flags');
  const flags = fields.byte();
  const bit = (n: number): boolean => ((flags >> n) & 1) === 1;
  const will = bit(2);
  must(old || !bit(0), 'reserved');
  must(old || will || (flags & 0x38) === 0, 'will bits');
  must(!will || (flags & 0x18) !== 0x18, 'will QoS');
  must(bit(7) || !bit(6), 'password alone');
  fields.number();
  const id = fields.text();
  if (will) {
    topic(fields.text(), bounds);
    fields.binary();
  }
  if (bit(7) && !(old && fields.left === 0)) fields.text();
  if (bit(6) && !(old && fields.left === 0)) fields.binary();
  const characters = [...id].length;
  must(old ? characters >= 1 && characters <= 23 : characters > 0 || bit(1), 'client id');
}
