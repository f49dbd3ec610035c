/**
 * Where a retained inventory stands: on `…/inventory` while it fits into a message, else in parts on `…/inventory/1`, `…/2`, …
 * The broker keeps what is retained until it is cleared. The forwarder therefore remembers how many parts there may be, over
 * restarts, and clears those that are left over once the new ones are there.
 */
import type { DialectMemory, OutMessage } from '../../dialect.ts';

/** Parts of an inventory: with 128 kB each far more than a gateway can have. What a damaged memory says is bounded by it too. */
const MOST_PARTS = 1000;

/** What the broker may retain. */
interface Kept {
  readonly whole: boolean;
  readonly parts: number;
}

export class InventoryTopics {
  readonly #memory: DialectMemory;
  #kept: Kept;

  constructor(memory: DialectMemory) {
    this.#memory = memory;
    this.#kept = parse(memory.load());
  }

  /** @param message of the whole inventory @param parts its payloads; one: it is whole */
  *messages(message: OutMessage, parts: readonly string[]): Generator<OutMessage> {
    const whole = isWhole(parts);
    const now: Kept = { whole, parts: whole ? 0 : Math.min(parts.length, MOST_PARTS) };
    const before = this.#kept;
    // First: after a kill in between too many topics are cleared, and none is forgotten.
    this.#save({ whole: before.whole || now.whole, parts: Math.max(before.parts, now.parts) });
    yield* apart(message, parts.slice(0, MOST_PARTS));
    const left = [
      ...(before.whole && !whole ? [message.topic] : []),
      ...Array.from({ length: Math.max(0, before.parts - now.parts) }, (_, i) => `${message.topic}/${now.parts + i + 1}`),
    ];
    for (const [i, topic] of left.entries())
      yield { ...message, topic, payload: '', ...(i === left.length - 1 && { taken: () => this.#save(now) }) };
  }

  #save(kept: Kept): void {
    if (kept.whole === this.#kept.whole && kept.parts === this.#kept.parts) return;
    this.#kept = kept;
    this.#memory.save(kept);
  }
}

/** Each part on its topic. */
export function* apart(message: OutMessage, parts: readonly string[]): Generator<OutMessage> {
  for (const [i, payload] of parts.entries())
    yield { ...message, payload, topic: isWhole(parts) ? message.topic : `${message.topic}/${i + 1}` };
}

function isWhole(parts: readonly string[]): boolean {
  return parts.length === 1;
}

function parse(saved: unknown): Kept {
  const { whole, parts } = (typeof saved === 'object' && saved !== null ? saved : {}) as { whole?: unknown; parts?: unknown };
  const count = typeof parts === 'number' && Number.isInteger(parts) && parts >= 0 ? Math.min(parts, MOST_PARTS) : 0;
  return { whole: whole === true, parts: count };
}
