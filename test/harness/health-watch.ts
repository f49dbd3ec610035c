/** Asks a gateway again and again whether it lives and is ready, beside the state of its Node-RED. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from '../../src/admin/client.ts';
import type { FlowState } from '../../src/core/flow-supervisor.ts';
import type { NodeRedSite } from './node-red-site.ts';
import { DEADLINE_MS } from './wait-for.ts';

/** Between two questions, ms. */
const EVERY = 50;
const WELL = JSON.stringify([{ status: 'ok' }, { ready: true, reasons: [] }]);

export interface HealthWatch {
  /** The gateway was asked while Node-RED was in each of these states, and its answers never changed. Ends the watch. */
  sameIn(...states: readonly FlowState[]): Promise<void>;
}

export function watchHealth(t: TestContext, { gateway, flows }: Pick<NodeRedSite, 'gateway' | 'flows'>): HealthWatch {
  const ask = (path: string): Promise<unknown> => request(gateway.socket, 'GET', path, undefined, DEADLINE_MS);
  /** Each different answer, with the state of Node-RED in which it came first. */
  const answers = new Map<string, FlowState>();
  const seen = new Set<FlowState>();
  let over = false;
  t.after(() => {
    over = true;
  });
  const watch = async (): Promise<void> => {
    while (!over) {
      const { state } = await flows();
      const answer = JSON.stringify([await ask('/healthz'), await ask('/readyz')]);
      if (!answers.has(answer)) answers.set(answer, state);
      // Both answers are of this state.
      if ((await flows()).state === state) seen.add(state);
      await sleep(EVERY);
    }
  };
  const watched = watch();
  // It is looked at where the watch ends.
  watched.catch(() => {});
  return {
    async sameIn(...states) {
      over = true;
      await watched;
      assert.deepEqual(Object.fromEntries(answers), { [WELL]: [...answers.values()][0] });
      for (const state of states) assert.ok(seen.has(state), `asked in ${[...seen].join(', ')}, and not in ${state}`);
    },
  };
}
