/** A restore says how the flows come back, where Node-RED has a folder outside the state. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { scratch } from '../../harness/scratch.ts';
import { makeGateway, sluice } from '../../harness/start-gateway.ts';

test('a restore names the revision of flows to put back, and only where that is needed', async (t) => {
  const yaml = (more: string): string => `gateway: {id: g1, stateDir: state, runtimeDir: run}\nnodeRed: {enabled: true${more}}\n`;
  const source = makeGateway(t, () => yaml(''));
  const revisions = path.join(source.stateDir, 'flow-revisions');
  mkdirSync(revisions, { recursive: true });
  for (const name of ['000009.flows', '000012.flows']) writeFileSync(path.join(revisions, name), 'flows');
  writeFileSync(path.join(revisions, 'ran-well.json'), '{}');
  for (const [more, words] of [
    ['', /when the gateway runs: sluice flows restore 12$/m],
    [', unsafeSameUser: true', undefined],
  ] as const) {
    source.write(yaml(more));
    const file = path.join(scratch(t, 'stick'), 'a.sluice-backup');
    const made = await sluice(t, 'backup', file, '-c', source.config);
    assert.equal(made.code, 0, made.stderr);
    const restored = await sluice(t, 'restore', file, '-c', path.join(scratch(t, 'board'), 'gateway.yaml'));
    assert.equal(restored.code, 0, restored.stderr);
    if (words === undefined) assert.ok(!restored.stdout.includes('flows restore'), restored.stdout);
    else assert.match(restored.stdout, words);
  }
});
