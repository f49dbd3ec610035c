/** Which requests of the editor change something that people ask about later: who deployed, who stopped the flows. */
import type { FlowChange } from '../../core/flow-deploys.ts';

export interface Change {
  /** For the revisions of flows; undefined: flows stay as they are. */
  readonly flows: FlowChange | undefined;
  readonly do: 'deploy' | 'flow-state' | 'palette';
  /** After a name: `anna …`. */
  readonly done: string;
  readonly refused: string;
}

const DEPLOY: Change = { flows: 'flows', do: 'deploy', done: 'deployed flows', refused: 'could not deploy flows' };
const STATE: Change = {
  flows: 'state',
  do: 'flow-state',
  done: 'started or stopped flows',
  refused: 'could not start or stop flows',
};
const PALETTE: Change = { flows: undefined, do: 'palette', done: 'changed the palette', refused: 'could not change the palette' };

/** As express compares: capitals and a last slash make no difference. */
const CHANGES: readonly (readonly [methods: string, path: RegExp, change: Change])[] = [
  ['POST', /^\/flows\/?$/i, DEPLOY],
  ['POST', /^\/flow\/?$/i, DEPLOY],
  ['PUT DELETE', /^\/flow\/[^/]+\/?$/i, DEPLOY],
  ['POST', /^\/flows\/state\/?$/i, STATE],
  ['POST PUT DELETE', /^\/nodes(?:\/|$)/i, PALETTE],
];

export function changeOf(method: string, pathname: string): Change | undefined {
  return CHANGES.find(([methods, path]) => methods.split(' ').includes(method) && path.test(pathname))?.[2];
}
