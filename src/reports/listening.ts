/** Reports by events which local addresses cannot be listened on. Faults during the start are reported as soon as events can be. */
import type { GatewayEvent } from '../core/ports.ts';

export type ListenPart = 'broker' | 'dashboard';
const WHAT: Readonly<Record<ListenPart, string>> = { broker: 'The embedded broker', dashboard: 'Local HTTP' };

export class ListenReport {
  readonly #event: (event: GatewayEvent) => void;
  #begun = false;
  /** Faults that were not reported yet, or whose end was not. */
  readonly #faults = new Map<ListenPart, string>();

  constructor(tell: (event: GatewayEvent) => void) {
    this.#event = tell;
  }

  /** Events can be reported from now on. */
  begin(): void {
    this.#begun = true;
    for (const [part, fault] of this.#faults) this.#failed(part, fault);
  }

  /** @param fault in words; undefined: it listens */
  changed(part: ListenPart, fault: string | undefined): void {
    if (fault !== undefined) {
      this.#faults.set(part, fault);
      if (this.#begun) this.#failed(part, fault);
    } else if (this.#faults.delete(part) && this.#begun)
      this.#event({
        ...{ event: 'listen', severity: 'info', message: `${WHAT[part]} has got its address and listens.` },
        data: { part, listening: true },
      });
  }

  #failed(part: ListenPart, fault: string): void {
    this.#event({
      ...{ event: 'listen', severity: 'warning', message: `${WHAT[part]} cannot listen, and keeps trying: ${fault}` },
      data: { part, listening: false, fault },
    });
  }
}
