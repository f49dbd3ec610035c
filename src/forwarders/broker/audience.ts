/** Who listens: the filters granted to connected clients. Tells whether a topic is wanted, and bounds what one client asks for. */
import { MAX_FILTER, MAX_LEVELS, MAX_SUBSCRIPTIONS } from './limits.ts';
import { isFilter, matches } from './topic-filter.ts';

export class Audience {
  /** Changes whenever a filter comes or goes. */
  revision = 0;
  readonly #filters = new Map<object, Map<string, number>>();

  /** Grants a filter, or says no: malformed, too long, too many, or a `$` topic (system topics name other clients). */
  grant(client: object, filter: string, qos: number): boolean {
    if (filter.startsWith('$') || !isFilter(filter, MAX_FILTER, MAX_LEVELS)) return false;
    let filters = this.#filters.get(client);
    if (filters === undefined) {
      filters = new Map();
      this.#filters.set(client, filters);
    }
    if (!filters.has(filter) && filters.size >= MAX_SUBSCRIPTIONS) return false;
    filters.set(filter, qos);
    this.revision++;
    return true;
  }

  granted(client: object, filter: string): boolean {
    return this.#filters.get(client)?.has(filter) === true;
  }

  remove(client: object, filters: readonly string[]): void {
    for (const filter of filters) this.#filters.get(client)?.delete(filter);
    this.revision++;
  }

  leave(client: object): void {
    this.#filters.delete(client);
    this.revision++;
  }

  wants(topic: string): boolean {
    for (const filters of this.#filters.values()) for (const filter of filters.keys()) if (matches(filter, topic)) return true;
    return false;
  }

  /** The highest QoS that this client was granted for a topic. */
  qos(client: object, topic: string): number {
    let qos = 0;
    for (const [filter, granted] of this.#filters.get(client) ?? []) if (matches(filter, topic)) qos = Math.max(qos, granted);
    return qos;
  }
}
