/**
 * The CONNECT of a client, before the broker sees it. The broker speaks MQTT 3.1 and 3.1.1; to a client of another version it
 * gives an answer that this client cannot read. Here such a client gets one of its own version, with the reason. Pure.
 */

/** Protocol levels: 3 is MQTT 3.1, 4 is MQTT 3.1.1, 5 is MQTT 5. A bridge adds 128 to its level. */
const OLDEST = 3;
const NEWEST = 4;
const BRIDGE = 128;
/** Reason code of MQTT 5 (section 3.2.2.2): the version is not supported; and the return code 1 of MQTT 3.1.1 for it. */
const UNSUPPORTED = 0x84;
const UNACCEPTABLE = 1;
const REASON_STRING = 0x1f;
const MAXIMUM_PACKET_SIZE = 0x27;
/** What a client of MQTT 5 shows to its user. */
export const REASON =
  'This broker speaks MQTT 3.1.1 only. Set the MQTT version of the client to 3.1.1 (some programs call it 4).';

export interface OtherVersion {
  /** The protocol level it asked for. */
  readonly level: number;
  /** As it came; undefined when the packet does not hold it. */
  readonly clientId: string | undefined;
  readonly answer: Buffer;
}

/** @param connect a whole CONNECT, and whatever follows @returns undefined: a version that the broker speaks, or no version at all */
export function otherVersion(connect: Buffer): OtherVersion | undefined {
  const reader = new Reader(connect, bodyStart(connect), packetLength(connect) ?? connect.length);
  const name = reader.text();
  const level = (reader.byte() ?? Number.NaN) & ~BRIDGE;
  if ((name !== 'MQTT' && name !== 'MQIsdp') || (level >= OLDEST && level <= NEWEST) || reader.short) return undefined;
  // Flags and keep-alive.
  reader.skip(3);
  if (level < OLDEST) return { level, clientId: reader.text(), answer: Buffer.from([0x20, 2, 0, UNACCEPTABLE]) };
  const properties = reader.part(reader.variable());
  const clientId = reader.text();
  return { level, clientId, answer: unsupported(maximumPacketSize(properties)) };
}

/** A CONNACK of MQTT 5. Without the reason where the client takes no packet of that length (MQTT-3.2.2-19). */
function unsupported(longest: number): Buffer {
  const reason = Buffer.from(REASON);
  const properties = Buffer.concat([Buffer.from([REASON_STRING, reason.length >> 8, reason.length & 255]), reason]);
  const whole = Buffer.concat([Buffer.from([0x20, 3 + properties.length, 0, UNSUPPORTED, properties.length]), properties]);
  return whole.length <= longest ? whole : Buffer.from([0x20, 3, 0, UNSUPPORTED, 0]);
}

/** Bytes of a property by its identifier (section 2.2.2.2), of those that a CONNECT may have. */
const FIXED: Readonly<Record<number, number>> = { 17: 4, 33: 2, 34: 2, 25: 1, 23: 1 };
const TEXTS: Readonly<Record<number, number>> = { 21: 1, 22: 1, 38: 2 };

function maximumPacketSize(properties: Reader): number {
  for (let id = properties.byte(); id !== undefined; id = properties.byte()) {
    if (id === MAXIMUM_PACKET_SIZE) return properties.uint32() ?? Number.POSITIVE_INFINITY;
    const texts = TEXTS[id];
    const bytes = FIXED[id];
    if (bytes !== undefined) properties.skip(bytes);
    else if (texts !== undefined) for (let i = 0; i < texts; i++) properties.text();
    // What stands behind an unknown one cannot be read.
    else break;
  }
  return Number.POSITIVE_INFINITY;
}

/** Every call that finds too few bytes returns nothing, and so do all that follow. */
class Reader {
  short = false;
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = Math.min(end, bytes.length);
  }

  skip(count: number): boolean {
    this.short ||= this.#at + count > this.#end;
    if (!this.short) this.#at += count;
    return !this.short;
  }
  byte(): number | undefined {
    const at = this.#at;
    return this.skip(1) ? this.#bytes[at] : undefined;
  }
  uint16(): number | undefined {
    const at = this.#at;
    return this.skip(2) ? this.#bytes.readUInt16BE(at) : undefined;
  }
  uint32(): number | undefined {
    const at = this.#at;
    return this.skip(4) ? this.#bytes.readUInt32BE(at) : undefined;
  }
  text(): string | undefined {
    const length = this.uint16();
    const at = this.#at;
    return length !== undefined && this.skip(length) ? this.#bytes.toString('utf8', at, at + length) : undefined;
  }
  /** A variable byte integer (section 1.5.5). */
  variable(): number | undefined {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const byte = this.byte();
      if (byte === undefined) return undefined;
      value += (byte & 127) * 128 ** i;
      if (byte < 128) return value;
    }
    this.short = true;
    return undefined;
  }
  /** The next bytes, to be read apart. */
  part(length: number | undefined): Reader {
    const at = this.#at;
    if (length === undefined || !this.skip(length)) return new Reader(this.#bytes, 0, 0);
    return new Reader(this.#bytes, at, at + length);
  }
}

/** Header and body of the packet that begins here; undefined until that can be known. */
function packetLength(bytes: Buffer): number | undefined {
  const reader = new Reader(bytes, 1, 5);
  const body = reader.variable();
  return body === undefined ? undefined : bodyStart(bytes) + body;
}

function bodyStart(bytes: Buffer): number {
  let at = 1;
  while (at < 4 && (bytes[at] as number) >= 128) at++;
  return at + 1;
}
