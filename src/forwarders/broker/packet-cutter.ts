/**
 * Cuts the bytes of a client into whole packets. Packets that lie in one piece of the network are not copied. Of one that is
 * not whole yet, its bytes are kept in a buffer that grows with what came: never more than its length, and together with those
 * of all clients never more than PartialPackets allows.
 */

/** First size of the buffer of a packet that is not whole. */
const SMALLEST = 256;

export interface PacketSide<Fault> {
  /** The first byte of a packet is here. @returns false when nothing more may come now */
  begins(first: number): Fault | false | undefined;
  /** Its Remaining Length is here. */
  declares(first: number, length: number): Fault | undefined;
  /** The Remaining Length has no end within four bytes (section 2.2.3). */
  endless(): Fault;
  /** It is whole. @param body where the variable header begins @returns false when it has to wait */
  whole(bytes: Buffer, at: number, body: number, end: number): Fault | false | undefined;
}

/** The bytes of packets that are not whole yet, of all clients. */
export class PartialPackets {
  readonly #most: number;
  /** Called, when there are too many bytes, with the one that waits for longest of the account that has most of them. */
  readonly #tooMany: (owner: object) => void;
  /** By who has them, the one that waits for longest first. */
  readonly #held = new Map<object, number>();
  readonly #accountOf: (owner: object) => string;
  #bytes = 0;

  /** @param accountOf who it belongs to; one text for all that have not logged in */
  constructor(most: number, tooMany: (owner: object) => void, accountOf: (owner: object) => string = () => '') {
    this.#most = most;
    this.#tooMany = tooMany;
    this.#accountOf = accountOf;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** So many bytes are kept for it now; 0 when its packet is whole or it is gone. */
  keeps(owner: object, bytes: number): void {
    this.#bytes += bytes - (this.#held.get(owner) ?? 0);
    if (bytes === 0) this.#held.delete(owner);
    else this.#held.set(owner, bytes);
    while (this.#bytes > this.#most) {
      const oldest = this.#givesWay();
      if (oldest === undefined) return;
      this.keeps(oldest, 0);
      this.#tooMany(oldest);
    }
  }

  #givesWay(): object | undefined {
    const accounts = new Map<string, { bytes: number; readonly oldest: object }>();
    for (const [owner, bytes] of this.#held) {
      const account = this.#accountOf(owner);
      const sum = accounts.get(account);
      if (sum === undefined) accounts.set(account, { bytes, oldest: owner });
      else sum.bytes += bytes;
    }
    let most: { readonly bytes: number; readonly oldest: object } | undefined;
    for (const sum of accounts.values()) if (sum.bytes > (most?.bytes ?? 0)) most = sum;
    return most?.oldest;
  }
}

export class PacketCutter<Fault extends object> {
  readonly #side: PacketSide<Fault>;
  readonly #kept: (bytes: number) => void;
  #buffer: Buffer | undefined;
  /** Bytes in it; of the packet: where its body begins, and its length with the header, once they are known. */
  #have = 0;
  #body = 0;
  #need: number | undefined;
  #waits = false;

  /** @param kept called with the bytes of the buffer of a packet that is not whole, and with 0 when there is none */
  constructor(side: PacketSide<Fault>, kept: (bytes: number) => void) {
    this.#side = side;
    this.#kept = kept;
  }

  /** Whether a part of a packet is here. */
  get partial(): boolean {
    return this.#buffer !== undefined;
  }
  /** Whether the next packet has to wait: what `take` did not take, or what is here, has to be given again. */
  get waits(): boolean {
    return this.#waits;
  }

  /** @param pass takes whole packets in order @returns how many bytes were taken (fewer: the next packet has to wait), or what is wrong */
  take(chunk: Buffer, pass: (packets: Buffer) => void): number | Fault {
    let at = 0;
    this.#waits = false;
    if (this.#buffer !== undefined) {
      const taken = this.#complete(chunk, pass);
      if (typeof taken !== 'number' || this.#buffer !== undefined) return taken;
      at = taken;
    }
    const from = at;
    let fault: Fault | undefined;
    while (at < chunk.length) {
      const end = this.#next(chunk, at);
      if (typeof end === 'object') fault = end;
      if (typeof end !== 'number') break;
      at = end;
    }
    if (at > from) pass(chunk.subarray(from, at));
    if (fault !== undefined) return fault;
    if (at === chunk.length || this.#waits) return at;
    this.#begin(chunk.subarray(at));
    return chunk.length;
  }

  /** Forgets what is not whole. */
  drop(): void {
    if (this.#buffer === undefined) return;
    this.#buffer = undefined;
    this.#have = 0;
    this.#need = undefined;
    this.#kept(0);
  }

  /** The packet at this place. @returns its end; undefined when it is not whole or has to wait */
  #next(chunk: Buffer, at: number): number | Fault | undefined {
    const first = chunk[at] as number;
    const begins = this.#side.begins(first);
    this.#waits = begins === false;
    if (begins !== undefined) return begins === false ? undefined : begins;
    const header = readLength(chunk, at + 1, chunk.length);
    if (header === 'endless') return this.#side.endless();
    const fault = header === undefined ? undefined : this.#side.declares(first, header.length);
    if (fault !== undefined) return fault;
    if (header === undefined || header.body + header.length > chunk.length) return undefined;
    const end = header.body + header.length;
    const answer = this.#side.whole(chunk, at, header.body, end);
    if (answer === undefined) return end;
    this.#waits = answer === false;
    return answer === false ? undefined : answer;
  }

  /** Keeps the part of a packet at the end of a chunk; it was looked at. */
  #begin(part: Buffer): void {
    const header = readLength(part, 1, part.length);
    if (typeof header === 'object') {
      this.#body = header.body;
      this.#need = header.body + header.length;
    }
    this.#add(part);
  }

  /** Adds to the packet that is not whole. @returns how many bytes were taken */
  #complete(chunk: Buffer, pass: (packets: Buffer) => void): number | Fault {
    let taken = 0;
    while (this.#need === undefined && taken < chunk.length) {
      if (!this.#add(chunk.subarray(taken, taken + 1))) return chunk.length;
      taken++;
      const buffer = this.#buffer as Buffer;
      const header = readLength(buffer, 1, this.#have);
      if (header === 'endless') return this.#side.endless();
      if (header === undefined) continue;
      const fault = this.#side.declares(buffer[0] as number, header.length);
      if (fault !== undefined) return fault;
      this.#body = header.body;
      this.#need = header.body + header.length;
    }
    if (this.#need === undefined) return taken;
    const part = chunk.subarray(taken, taken + this.#need - this.#have);
    if (!this.#add(part)) return chunk.length;
    taken += part.length;
    if (this.#have < this.#need) return taken;
    const whole = (this.#buffer as Buffer).subarray(0, this.#need);
    const answer = this.#side.whole(whole, 0, this.#body, this.#need);
    this.#waits = answer === false;
    if (answer !== undefined) return answer === false ? taken : answer;
    this.drop();
    pass(whole);
    return taken;
  }

  /** @returns false when that was too much for all together, and this one was told to end */
  #add(part: Buffer): boolean {
    const have = this.#have + part.length;
    let buffer = this.#buffer;
    const grows = buffer === undefined || buffer.length < have;
    if (buffer === undefined || grows) {
      // Twice as much each time, so that bytes that come one by one are copied twice at most.
      const wanted = Math.max(have, SMALLEST, 2 * (buffer?.length ?? 0));
      const larger = Buffer.allocUnsafeSlow(Math.min(wanted, this.#need ?? wanted));
      buffer?.copy(larger, 0, 0, this.#have);
      buffer = larger;
      this.#buffer = buffer;
    }
    part.copy(buffer, this.#have);
    this.#have = have;
    if (grows) this.#kept(buffer.length);
    return this.#buffer !== undefined;
  }
}

/** @returns undefined when its end is not here yet */
function readLength(
  bytes: Buffer,
  at: number,
  end: number,
): { readonly length: number; readonly body: number } | 'endless' | undefined {
  let length = 0;
  for (let i = 0; i < 4; i++) {
    if (at + i >= end) return undefined;
    const byte = bytes[at + i] as number;
    length += (byte & 127) * 128 ** i;
    if (byte < 128) return { length, body: at + i + 1 };
  }
  return 'endless';
}
