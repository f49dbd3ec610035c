/** The filters granted to connected clients. It says whether a topic is wanted, and bounds the filters of one client. */

import { FilterTree, isFilter, matches } from '../../core/topic-filter.ts';
import { MAX_FILTER, MAX_LEVELS, MAX_SUBSCRIPTIONS } from './limits.ts';

export class Audience {
  /** Changes whenever a filter comes or goes. */
  revision = 0;
  /** Filters that were not granted since the start: the client had as many as it may, or the filter is too long or too deep. */
  readonly denied = { subscriptions: 0, filters: 0 };
  /** Filters of all clients. */
  size = 0;
  #system = 0;
  readonly #filters = new Map<object, Map<string, number>>();
  /** The filters of all clients. */
  readonly #all = new FilterTree();

  /** Grants a filter, or says no: malformed, too long, too many, or a `$` topic that is not below `$SYS` (topic-rules.ts says who). */
  grant(client: object, filter: string, qos: number): boolean {
    if (filter.startsWith('$') && !isSystem(filter)) return false;
    if (!isFilter(filter, MAX_FILTER, MAX_LEVELS)) {
      this.denied.filters++;
      return false;
    }
    let filters = this.#filters.get(client);
    if (filters === undefined) {
      filters = new Map();
      this.#filters.set(client, filters);
    }
    const isNew = !filters.has(filter);
    if (isNew && filters.size >= MAX_SUBSCRIPTIONS) {
      this.denied.subscriptions++;
      return false;
    }
    filters.set(filter, qos);
    if (isNew) {
      this.#all.add(filter);
      if (isSystem(filter)) this.#system++;
      this.size++;
      this.revision++;
    }
    return true;
  }

  /** Whether somebody has a filter below `$SYS`. */
  get wantsSystem(): boolean {
    return this.#system > 0;
  }

  granted(client: object, filter: string): boolean {
    return this.#filters.get(client)?.has(filter) === true;
  }

  remove(client: object, filters: readonly string[]): void {
    const granted = this.#filters.get(client);
    for (const filter of filters) {
      if (granted?.delete(filter) !== true) continue;
      this.#all.remove(filter);
      if (isSystem(filter)) this.#system--;
      this.size--;
      this.revision++;
    }
  }

  leave(client: object): void {
    this.remove(client, [...(this.#filters.get(client)?.keys() ?? [])]);
    this.#filters.delete(client);
  }

  /** Whether this client has a filter. */
  listens(client: object): boolean {
    return (this.#filters.get(client)?.size ?? 0) > 0;
  }

  /** Whether this client has a filter that matches the topic. */
  hears(client: object, topic: string): boolean {
    return (
      this.#filters
        .get(client)
        ?.keys()
        .some((filter) => matches(filter, topic)) === true
    );
  }

  wants(topic: string): boolean {
    return this.#all.matches(topic);
  }

  /** The highest QoS that this client was granted for a topic. */
  qos(client: object, topic: string): number {
    const filters = this.#filters.get(client);
    if (filters === undefined) return 0;
    let low = 2;
    let high = 0;
    for (const granted of filters.values()) {
      if (granted < low) low = granted;
      if (granted > high) high = granted;
    }
    // Most clients ask for one QoS: no filter has to be compared.
    if (low >= high) return high;
    let qos = 0;
    for (const [filter, granted] of filters) if (granted > qos && matches(filter, topic)) qos = granted;
    return qos;
  }
}

const isSystem = (filter: string): boolean => filter === '$SYS' || filter.startsWith('$SYS/');
