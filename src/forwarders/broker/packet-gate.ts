/** Which packets of a client pass to the broker, which have to wait, and which end its connection (frame-guard.ts). */
import type { Turnstile } from '../../core/turns.ts';
import type { Answers } from './answers.ts';
import { type Ending, endingOf, TOO_MANY } from './endings.ts';
import { otherVersion } from './first-packet.ts';
import type { Flights } from './flights.ts';
import type { GuardLimits } from './guard-parts.ts';
import { rewrite31 } from './mqtt31.ts';
import { checkBody, checkFirst, checkLength, type Level, levelOf, PACKET } from './packet-check.ts';
import type { PacketSide } from './packet-cutter.ts';
import type { Requests } from './requests.ts';
import type { Inflow } from './rooms.ts';

interface GateParts {
  readonly turnstile: Turnstile;
  readonly requests: Requests;
  readonly answers: Answers;
  readonly flights: Flights;
  readonly inflow: Inflow;
}

export class PacketGate implements PacketSide<Ending> {
  /** The broker has accepted its CONNECT. */
  accepted = false;
  /** The version of the CONNECT that passed. */
  #level: Level | undefined;
  /** It said DISCONNECT: what follows is not read. */
  #over = false;
  readonly #limits: GuardLimits;
  readonly #parts: GateParts;

  constructor(limits: GuardLimits, parts: GateParts) {
    this.#limits = limits;
    this.#parts = parts;
  }

  /** Nothing more may come now, or at all. */
  get closed(): boolean {
    return this.#over || (this.#level !== undefined && !this.accepted);
  }

  begins(first: number): Ending | false | undefined {
    if (this.closed) return false;
    const broken = checkFirst(first, this.#level);
    if (broken !== undefined) return endingOf(broken);
    return waitsForDisk(first) && !this.#parts.inflow.asks() ? false : undefined;
  }

  declares(first: number, length: number): Ending | undefined {
    const limit = this.#level === undefined ? this.#limits.beforeConnect : this.#limits.afterConnect;
    if (length > limit) return { refusal: 'size', words: `a packet of ${length} bytes; at most ${limit} are accepted` };
    const broken = checkLength(first, length);
    return broken === undefined ? undefined : endingOf(broken);
  }

  endless(): Ending {
    return { refusal: 'header', words: 'a packet length of more than four bytes' };
  }

  whole(bytes: Buffer, at: number, body: number, end: number): Ending | false | undefined {
    const { turnstile, requests, answers, flights, inflow } = this.#parts;
    if (!turnstile.enter()) return false;
    const first = bytes[at] as number;
    const type = first >> 4;
    const checked = checkBody(bytes, first, body, end, this.#level, this.#limits);
    if (typeof checked !== 'number') {
      const other = checked.connack === 1 ? otherVersion(bytes.subarray(at, end)) : undefined;
      if (other === undefined) return endingOf(checked);
      const { level, clientId, answer } = other;
      return { refusal: 'version', words: 'another version of MQTT', answer, client: clientId, level };
    }
    if (!answers.admits(bytes, at, body)) return false;
    const acknowledges = type >= PACKET.puback && type <= PACKET.pubcomp;
    if (!(acknowledges ? requests.acknowledged() : requests.take(1 + checked))) return TOO_MANY[requests.refusal];
    if (acknowledges) {
      const broken = flights.acknowledged(type, bytes.readUInt16BE(body));
      if (broken !== undefined) return endingOf(broken);
    }
    if (type === PACKET.connect) this.#level = levelOf(bytes, body, end)?.level === 3 ? 3 : 4;
    if (type === PACKET.disconnect) this.#over = true;
    if (this.#level === 3) rewrite31(bytes, at, body, end);
    if (waitsForDisk(first)) inflow.passes(end - at);
    return undefined;
  }
}

/** A PUBLISH of QoS 1 or 2. @param first byte of a packet */
function waitsForDisk(first: number): boolean {
  return first >> 4 === PACKET.publish && (first & 6) !== 0;
}
