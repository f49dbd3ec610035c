/** What a deploy is refused for: flows that the next start of Node-RED would not start, or would not read. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { checkDeploys } from '../../../src/node-red/child/deploy-check.ts';
import type { RedFlowsApi } from '../../../src/node-red/child/node-red-types.ts';
import { FLOW_FILE, MOST_ON_DISK, unfitFlows } from '../../../src/node-red/child/start-check.ts';
import { scratch } from '../../harness/scratch.ts';

test('flows that are larger than the next start reads are refused, and no smaller ones', async (t) => {
  const folder = scratch(t, 'deploy-check');
  const saved: unknown[] = [];
  const api: RedFlowsApi = { setFlows: async (asked) => void saved.push(asked), setState: async () => {} };
  // A single tab that comes beside others passes here, with all of them.
  const util = { parseConfig: (config: unknown) => void saved.push(config) };
  checkDeploys(api, util, { getFlows: () => null });
  const flowsOf = (bytes: number) => {
    const flows = [{ id: 'n', type: 'comment', info: '' }];
    const info = 'x'.repeat(bytes - JSON.stringify(flows).length);
    return flows.map((node) => ({ ...node, info }));
  };
  for (const [more, refused] of [
    [0, false],
    [1, true],
  ] as const) {
    const flows = flowsOf(MOST_ON_DISK + more);
    const isRefused = { code: 'nested', status: 400, message: /10000001 bytes, and at most 10000000 are read$/ };
    saved.length = 0;
    if (refused) assert.throws(() => util.parseConfig(flows), isRefused);
    else util.parseConfig(flows);
    const deploy = api.setFlows({ flows: { rev: '1', flows }, deploymentType: 'full', user: null });
    await (refused ? assert.rejects(deploy, isRefused) : deploy);
    assert.equal(saved.length, refused ? 0 : 2);
    writeFileSync(path.join(folder, FLOW_FILE), JSON.stringify(flows));
    assert.equal(unfitFlows(folder)?.file, refused ? FLOW_FILE : undefined, 'as the next start says');
  }
  // A reload has no flows of its own.
  await api.setFlows({ deploymentType: 'full', user: null });
});
