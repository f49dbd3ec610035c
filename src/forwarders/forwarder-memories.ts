/**
 * What forwarders keep under their names, over reloads and restarts. Bound: MAX_FORWARDER_STATE letters of JSON for each; more is
 * refused, and what was kept before stays.
 */
import { SluiceError } from '../core/errors.ts';
import { savedState } from '../store/hot/saved-states.ts';
import type { Log } from '../store/log.ts';
import { type ForwarderContext, MAX_FORWARDER_STATE } from './forwarder-kind.ts';

export type MemoryLog = Pick<Log, 'saveState'> & { readonly opened: Pick<Log['opened'], 'savedStates'> };

export class ForwarderMemories {
  /** By name, newer than those in the file at the start. */
  readonly #newer = new Map<string, unknown>();

  of(name: string, log: MemoryLog): ReturnType<ForwarderContext['memory']> {
    // States of rules share the table; no rule and no point has such a name.
    const key = `@forwarder.${name}`;
    return {
      load: () => (this.#newer.has(name) ? this.#newer.get(name) : savedState(log.opened.savedStates, key)),
      save: (state) => {
        const { length } = JSON.stringify(state);
        if (length > MAX_FORWARDER_STATE)
          throw new SluiceError(
            'internal',
            `The forwarder ${name} keeps ${length} letters of state; at most ${MAX_FORWARDER_STATE} are kept.`,
          );
        this.#newer.set(name, state);
        log.saveState(key, state);
      },
    };
  }
}
