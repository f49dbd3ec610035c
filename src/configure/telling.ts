/** Tells upstream how a trial ended, until it has the answer: also after a restart, and by the forwarder as it is then. */
import type { Clock } from '../core/clock.ts';
import type { Configured } from './configured.ts';
import type { Last } from './record.ts';

const AGAIN = 5000;

export interface TellingOptions {
  readonly clock: Clock;
  readonly gateway: Pick<Configured, 'say' | 'answered'>;
  /** Upstream has it. */
  readonly received: (last: Last) => Promise<void>;
}

export class Telling {
  readonly #o: TellingOptions;
  #now: Last | undefined;
  #cancel: () => void = () => {};

  constructor(options: TellingOptions) {
    this.#o = options;
  }

  /** An older outcome that waits gives way: a repeated id still gets it. */
  begin(last: Last): void {
    this.#o.gateway.answered(last.owner, last.id, answerOf(last));
    this.#cancel();
    this.#now = last;
    if (last.topic !== undefined) void this.#send(last, last.topic);
  }

  stop(): void {
    this.#now = undefined;
    this.#cancel();
  }

  /** Never rejects. */
  async #send(last: Last, topic: string): Promise<void> {
    const { clock, gateway, received } = this.#o;
    try {
      await gateway.say(last.forwarder, topic, answerOf(last));
    } catch {
      if (this.#now === last) this.#cancel = clock.after(AGAIN, () => void this.#send(last, topic));
      return;
    }
    if (this.#now === last) await received(last);
  }
}

/** The time is that of the outcome. */
export const isSame = (one: Last | undefined, other: Last): boolean => one?.id === other.id && one.time === other.time;

/** The second answer to the command. */
function answerOf({ id, version, outcome, message, time }: Last): string {
  const head = { v: 1, id, do: 'configure' };
  return JSON.stringify(
    outcome === 'confirmed'
      ? { ...head, ok: true, time, result: { version, state: 'confirmed' } }
      : { ...head, ok: false, time, code: 'rolled-back', message },
  );
}
