/** What the page says after a restart of Node-RED. */
import type { FlowsRestarted } from '../../../core/flow-supervisor.ts';
import type { WordKey } from '../words/words.ts';

/** In safe mode Node-RED runs, and its flows do not. */
export function restartedWords({ state }: Partial<FlowsRestarted>): WordKey {
  return state === 'safe-mode' ? 'flows.restartedSafe' : 'flows.restarted';
}
