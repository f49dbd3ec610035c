/**
 * Messages of rules that leave over this forwarder. Whoever has them keeps the order and the bound (control/actions); here are those few
 * that are offered to the broker now. Invariants:
 * - A message leaves when no alarm waits, and stands behind at most what the client has been given already. History does not hold it up.
 * - One that is due does not leave any more. One that is under way then waits for its answer, which decides.
 * - Where a connection breaks while it is under way, it is offered again on the next one: at least once. After BREAKS such ends it is
 *   refused, since the broker may end connections because of it, and readings have to leave as well. As long as one of these is here
 *   they leave one at a time, so that only the culprit is counted.
 * - At most MOST are here. Each offer has exactly one outcome, and none is left when the forwarder ends.
 */
import { waitAfter } from '../../core/backoff.ts';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { MessageOutcome, RuleMessage } from '../../core/rule-message.ts';
import type { OutMessage } from './dialect.ts';
import type { Delivered } from './patience.ts';

const MOST = 32;
/** Connections that broke while one message was under way. */
const BREAKS = 3;
/** Milliseconds between two offers of a message that the broker does not take now. */
const PAUSE = { first: 1000, longest: 30_000 };
/** Milliseconds without a message after which a visit need not wait for the next one. */
const QUIET = 1000;
/** "Not authorized": no wait changes that, and a fallback can be done. */
const NOT_AUTHORIZED = 135;

/** A connection, as far as it is needed here. */
export interface MessageWay {
  /** As a courier does. @throws SluiceError when the connection is over */
  readonly deliver: (message: OutMessage) => Promise<Delivered>;
  /** Resolves when no alarm waits, or the connection is over. */
  readonly calm: () => Promise<void>;
  /** Under a budget: whether a payload of so many bytes may leave now; it is counted until `settled`. */
  readonly admit: (bytes: number) => boolean;
  readonly settled: (bytes: number) => void;
}

interface Entry {
  readonly message: RuleMessage;
  readonly end: (outcome: MessageOutcome) => void;
  underWay: boolean;
  breaks: number;
  tries: number;
  /** The broker did not take it now. */
  kept: boolean;
  /** Monotonic. */
  notBefore: number;
  /** What kept it last. */
  why: string | undefined;
}

export class RuleMessages {
  readonly #clock: Clock;
  readonly #root: string;
  readonly #entries = new Set<Entry>();
  #way: MessageWay | undefined;
  #ended = false;
  #idle: (() => void)[] = [];
  #cancel: (() => void) | undefined;
  /** Monotonic: when one was under way last. */
  #lastAt = Number.NEGATIVE_INFINITY;

  /** @param gateway its id */
  constructor(clock: Clock, gateway: string) {
    this.#clock = clock;
    this.#root = `sluice/${gateway}/`;
  }

  /** Bytes of the payloads that are worth a visit now. A broker that refused one for now would refuse it at each visit. */
  get waiting(): readonly number[] {
    const now = this.#clock.monotonic();
    return [...this.#entries]
      .filter(({ underWay, kept, notBefore, message }) => !underWay && !kept && notBefore <= now && message.due > now)
      .filter(({ message }) => message.wanted?.() !== false)
      .map(({ message }) => Buffer.byteLength(message.payload));
  }

  deliver(message: RuleMessage): Promise<MessageOutcome> {
    if (this.#ended) return Promise.resolve({ result: 'lost' });
    if (this.#entries.size >= MOST)
      return Promise.resolve({ result: 'refused', error: new SluiceError('busy', 'too many messages of rules wait') });
    return new Promise((resolve) => {
      const entry: Entry = {
        ...{ message, underWay: false, breaks: 0, tries: 0, kept: false, notBefore: 0, why: undefined },
        end: (outcome) => {
          this.#entries.delete(entry);
          resolve(outcome);
        },
      };
      this.#entries.add(entry);
      this.#look();
    });
  }

  /** A connection may carry messages from now on. */
  begin(way: MessageWay): void {
    this.#way = way;
    this.#look();
  }

  /** Nothing more leaves on this connection. Resolves when everything that is under way has an outcome. */
  async rest(): Promise<void> {
    this.#way = undefined;
    if (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** As `rest`, once everything that may leave now has left. */
  async drained(): Promise<void> {
    while (this.#busy) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await this.rest();
  }

  /** The forwarder ends, and nothing more leaves. What is under way may still be answered until `over`. */
  stop(): void {
    this.#ended = true;
    this.#way = undefined;
    this.#look();
  }

  /** The last connection is over. */
  over(): void {
    for (const entry of [...this.#entries]) entry.end({ result: 'lost' });
  }

  /** None is under way, and none was a moment ago: whoever has them gives the next one when one is acknowledged. */
  get quiet(): boolean {
    return !this.#busy && this.#clock.monotonic() - this.#lastAt >= QUIET;
  }

  /** Some message is under way. */
  get #busy(): boolean {
    return [...this.#entries].some(({ underWay }) => underWay);
  }

  /** Offers what may leave, ends what is due, and looks again when a time changes that. */
  #look(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const now = this.#clock.monotonic();
    let next = Number.POSITIVE_INFINITY;
    const alone = [...this.#entries].some(({ breaks }) => breaks > 0);
    for (const entry of [...this.#entries]) {
      if (entry.underWay) continue;
      if (this.#ended || entry.message.wanted?.() === false) {
        entry.end({ result: 'lost' });
        continue;
      }
      if (entry.message.due <= now) {
        entry.end({ result: 'expired', why: entry.why });
        continue;
      }
      next = Math.min(next, entry.message.due);
      if (entry.notBefore > now) next = Math.min(next, entry.notBefore);
      else if (this.#way !== undefined && !(alone && this.#busy)) void this.#offer(entry, this.#way);
    }
    if (next < Number.POSITIVE_INFINITY) this.#cancel = this.#clock.after(Math.max(1, next - now), () => this.#look());
  }

  async #offer(entry: Entry, way: MessageWay): Promise<void> {
    entry.underWay = true;
    await way.calm();
    // One that is unwanted by now ends at the next look.
    if (this.#entries.has(entry) && this.#way === way && entry.message.wanted?.() !== false) await this.#send(entry, way);
    entry.underWay = false;
    if (!this.#busy) for (const resolve of this.#idle.splice(0)) resolve();
    this.#look();
  }

  async #send(entry: Entry, way: MessageWay): Promise<void> {
    const { topic, payload, due } = entry.message;
    if (due <= this.#clock.monotonic()) return;
    const bytes = Buffer.byteLength(payload);
    if (!way.admit(bytes)) {
      this.#later(entry, 'the budget of the day has too little left for it');
      return;
    }
    try {
      const delivered = await way.deliver({ topic: this.#root + topic, payload, qos: 1, retain: false });
      if (delivered === 'accept') entry.end({ result: 'acknowledged' });
      else if ('reject' in delivered) entry.end({ result: 'refused', error: delivered.reject });
      else if (isFinal(delivered.keep)) entry.end({ result: 'refused', error: refused(delivered.keep.message, delivered.keep) });
      else {
        entry.kept = true;
        this.#later(entry, delivered.keep.message);
      }
    } catch (thrown) {
      // Nothing else is offered on it.
      if (this.#way === way) this.#way = undefined;
      const { message } = toError(thrown);
      entry.why = message;
      if (++entry.breaks >= BREAKS)
        entry.end({
          result: 'refused',
          error: refused(`the connection ended ${BREAKS} times before the broker acknowledged it: ${message}`, thrown),
        });
    } finally {
      this.#lastAt = this.#clock.monotonic();
      way.settled(bytes);
    }
  }

  #later(entry: Entry, why: string): void {
    entry.why = why;
    entry.notBefore = this.#clock.monotonic() + waitAfter(PAUSE, Math.min(entry.tries++, 30), 0.5);
  }
}

/** Whether the broker will not take it within any time that counts. A message of a rule cannot be made smaller. */
function isFinal({ code, data }: SluiceError): boolean {
  return code === 'upstream-too-large' || data.reason === NOT_AUTHORIZED;
}

function refused(message: string, cause: unknown): SluiceError {
  return new SluiceError('upstream-refused', message, { cause });
}
