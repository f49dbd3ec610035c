/**
 * Node-RED began without flows, since those on its disk could not be read (child/start-check.ts): the last that ran well take their
 * place, or else the newest that can start.
 */
import { toError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { GatewayEvent } from '../../core/ports.ts';
import type { FlowAddress } from '../flow-start.ts';
import { type DeployAnswer, type DeployOrder, deploy } from './flow-client.ts';
import type { FlowRecorder } from './flow-recorder.ts';
import { nestingFault, nodesIn } from './nesting.ts';
import { type FlowsContent, parsedList } from './revision-file.ts';
import type { RevisionStore } from './revision-store.ts';

export interface LostFlowsSide {
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
  readonly store: RevisionStore;
  readonly recorder: FlowRecorder;
  /** Node-RED now. */
  readonly address: () => FlowAddress | undefined;
  /** For tests. */
  readonly deploy?: (at: FlowAddress, order: DeployOrder, content: FlowsContent) => Promise<DeployAnswer>;
}

/** Never rejects. What came of it is an event. */
export async function bringBack({ logger, tell, store, recorder, address, ...more }: LostFlowsSide): Promise<void> {
  const say = (message: string, data: Record<string, number> = {}): void => {
    logger.warn({ part: 'flows', ...data }, message);
    tell({ event: 'flows', severity: 'warning', message, data: { what: 'recovered', ...data } });
  };
  try {
    await recorder.exclusively(async () => {
      const at = address();
      // The next start looks at its own flows.
      if (at === undefined) return;
      const found = await lastGood(store);
      if (found === undefined) {
        say('The flows on the disk of Node-RED cannot be used, and no revision is there to take their place.');
        await recorder.look(at);
        return;
      }
      const { number, content } = found;
      const { rev } = await recorder.present(at);
      await (more.deploy ?? deploy)(at, { mode: 'restore', rev, seed: '' }, content);
      say(`The flows of revision ${number} took the place of those on the disk of Node-RED, which cannot be used.`, {
        revision: number,
      });
      await recorder.look(at, { who: 'gateway', door: 'gateway', origin: 'restore', of: String(number) });
    });
  } catch (thrown) {
    say(`The flows of Node-RED that were lost could not be brought back: ${toError(thrown).message}.`);
  }
}

async function lastGood(store: RevisionStore): Promise<{ readonly number: number; readonly content: FlowsContent } | undefined> {
  const numbers = store.all.map(({ number }) => number).reverse();
  for (const number of store.well === undefined ? numbers : [store.well, ...numbers]) {
    const content = await store.read(number).catch(() => undefined);
    const list = content === undefined ? undefined : parsedList(content.flows);
    if (content !== undefined && list !== undefined && nestingFault(nodesIn(list)) === undefined) return { number, content };
  }
  return undefined;
}
