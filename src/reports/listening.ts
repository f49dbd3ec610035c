/** Reports by events which local addresses cannot be listened on. Faults during the start are reported as soon as events can be. */
import type { GatewayEvent } from '../core/ports.ts';

/** With the address, for there may be several: `broker 0.0.0.0:8883`, `dashboard 127.0.0.1:8080`. */
export type ListenPart = `${'broker' | 'dashboard' | 'editor' | 'http-in'} ${string}`;

const NAMES: Readonly<Record<string, string>> = {
  broker: 'The embedded broker',
  dashboard: 'HTTP',
  editor: 'The editor of flows',
  'http-in': 'HTTP-in of flows',
};

function kindOf(part: ListenPart): string {
  return part.split(' ', 1)[0] ?? '';
}
function nameOf(part: ListenPart): string {
  const [kind = '', address = ''] = part.split(' ');
  return `${NAMES[kind] ?? kind} on ${address}`;
}

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
        ...{ event: 'listen', severity: 'info', message: `${nameOf(part)} has its address now and listens.` },
        data: { part: kindOf(part), listening: true },
      });
  }

  #failed(part: ListenPart, fault: string): void {
    this.#event({
      ...{ event: 'listen', severity: 'warning', message: `${nameOf(part)} cannot listen, and keeps trying: ${fault}` },
      data: { part: kindOf(part), listening: false, fault },
    });
  }
}
