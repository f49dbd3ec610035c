/** A rule triggers a flow: the real palette in the fenced Node-RED of a running gateway. */
import '../../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import test from 'node:test';
import { nodeRedSite } from '../../../harness/node-red-site.ts';
import { waitFor } from '../../../harness/wait-for.ts';
import { nodeRedPeer } from '../../../peers/peers.ts';

type Node = Readonly<Record<string, unknown>>;
const node = (id: string, type: string, wires: string[], more: Node): Node => ({
  ...{ id, type, z: 'tab', x: 100, y: 100, name: '', gateway: '', wires: [wires] },
  ...more,
});
const alarmIn = (id: string, wires: string[], trigger: string): Node =>
  node(id, 'sluice alarm in', wires, { rules: ['*'], severities: [], states: [], present: false, trigger });
const says = (id: string, func: string): Node => node(id, 'function', [], { outputs: 1, libs: [], func });

test('a rule triggers the flow with its name, and no other', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await nodeRedSite(t, '', {
    buses: '  derived: {protocol: flows}',
    devices: '  calc: {bus: derived, silentAfter: 1h, points: {double: {}}}',
    rest: `
rules:
  double-high: {point: calc.double, above: 50, message: Too much, do: [{flow: call}]}
`,
  });
  const { gateway } = site;
  await gateway.up();
  await site.until('running');
  const code = await site.deploy([
    { id: 'tab', type: 'tab', label: 'test' },
    node('tick', 'inject', ['out'], {
      ...{ once: false, repeat: '', crontab: '', props: [{ p: 'payload' }] },
      ...{ payload: '60', payloadType: 'num', topic: '' },
    }),
    node('out', 'sluice reading out', [], {
      ...{ point: 'calc.double', pointType: 'point', value: 'payload', valueType: 'msg', unit: '', time: '', timeType: 'now' },
    }),
    alarmIn('call', ['called'], 'call'),
    says('called', "node.warn('called ' + msg.topic + ' ' + msg.payload + ' ' + msg.alarm.trigger + ' ' + msg.message);"),
    alarmIn('other', ['wrong'], 'other'),
    says('wrong', "node.warn('wrong');"),
    alarmIn('plain', ['changed'], ''),
    says('changed', "node.warn('changed ' + msg.payload + ' ' + msg.alarm.trigger);"),
  ]);
  assert.equal(code, 204);
  // A reading that comes before the connection is lost.
  await waitFor('the connection of the nodes', async () => ((await site.flows()).door?.connections ?? 0) > 0);
  assert.equal((await site.ask('POST', '/inject/tick', {})).code, 200);
  await gateway.waitForLog(/^called double-high active-unacknowledged call Too much/);
  await gateway.waitForLog(/^changed active-unacknowledged undefined/);
  await gateway.waitForLog(/^The rule double-high did the action "flow call"/);
  assert.ok(!gateway.tail().includes('"wrong"'));
  assert.equal(await gateway.stop(), 0);
});
