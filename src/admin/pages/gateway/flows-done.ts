/** What the page says after it changed the flows or restarted Node-RED. */
import type { FlowsResult } from '../../../core/flow-revisions.ts';
import type { FlowsRestarted } from '../../../core/flow-supervisor.ts';
import type { WordKey } from '../words/words.ts';

/** In safe mode Node-RED runs, and its flows do not. */
export function restartedWords({ state }: Partial<FlowsRestarted>): WordKey {
  return state === 'safe-mode' ? 'flows.restartedSafe' : 'flows.restarted';
}

/** A person may have stopped the flows in the editor, or a part of them is missing. */
export function changedWords({ flows }: Partial<FlowsResult>): WordKey {
  return flows === 'started' ? 'flows.done' : 'flows.doneStopped';
}
