/**
 * The wire of a scan, which may ask whatever it likes: a connection that an odd reply has closed is opened again, and what got
 * lost with one is sent again. Nothing that happens on the wire rejects, except that it cannot be opened at all.
 *
 * Bounds: LOST connections for one request; AWAY ms of attempts to open it, counted over all requests until one succeeds; then
 * one attempt a request.
 */
import type { ExchangeReply } from '../../admin/wire-target.ts';
import { SluiceError } from '../../core/errors.ts';
import type { Look, OpenWire } from './wire.ts';

const LOST = 3;
const AWAY = 15_000;
/** Between two attempts, ms: a device needs a moment to give up the connection before. */
const PAUSE = 100;

export class PatientWire {
  readonly #open: () => Promise<OpenWire>;
  readonly #clock: { readonly now: () => number; readonly sleep: (ms: number) => Promise<unknown> };
  readonly #signal: AbortSignal;
  #wire: OpenWire;
  /** Something was sent on it, at any time. */
  #reached = false;
  #awaySince: number | undefined;

  constructor(
    wire: OpenWire,
    open: () => Promise<OpenWire>,
    clock: { readonly now: () => number; readonly sleep: (ms: number) => Promise<unknown> },
    signal: AbortSignal,
  ) {
    this.#wire = wire;
    this.#open = open;
    this.#clock = clock;
    this.#signal = signal;
  }

  /**
   * A reply whose error is `bus-closed` is none: the connection was closed each time, or (without frames) could not be opened.
   * @throws SluiceError `bus-closed` in words, while nothing could ever be sent
   */
  async exchange(look: Look): Promise<ExchangeReply> {
    for (let lost = 0; ; ) {
      let reply: ExchangeReply;
      try {
        reply = await this.#wire.exchange(look);
        this.#reached = true;
        this.#awaySince = undefined;
        lost++;
      } catch (thrown) {
        if (!(thrown instanceof SluiceError) || !this.#reached) throw thrown;
        this.#awaySince ??= this.#clock.now();
        reply = unsent(thrown);
      }
      const { error } = reply;
      if (error?.code !== 'bus-closed' || lost === LOST || this.#signal.aborted) return reply;
      if (this.#awaySince !== undefined && this.#clock.now() - this.#awaySince >= AWAY) return reply;
      await this.#clock.sleep(PAUSE);
      await this.#reopen();
    }
  }

  close(): Promise<void> {
    return this.#wire.close();
  }

  /** A running gateway opens its own wire again. */
  async #reopen(): Promise<void> {
    if (this.#wire.shared) return;
    await this.#wire.close();
    this.#wire = await this.#open();
  }
}

function unsent({ message }: SluiceError): ExchangeReply {
  return { time: 0, frames: [], latency: null, pdu: null, error: { code: 'bus-closed', message } };
}
