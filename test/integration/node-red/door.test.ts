/** The socket for flows of a running gateway with the real fenced Node-RED: readings, alarms, points of flows, grants, restarts. */
import '../../harness/no-outside.ts';
import assert from 'node:assert/strict';
import { lstatSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { doorSite } from '../../harness/door-site.ts';
import { flowUser } from '../../harness/flow-user.ts';
import { flowsClient } from '../../harness/flows-client.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { nodeRedPeer } from '../../peers/peers.ts';

const DERIVED = {
  buses: '  derived: {protocol: flows}',
  devices: `
  calc: {bus: derived, silentAfter: 1h, points: {mean: {unit: Cel, range: {min: -40, max: 80}}}}
  cuff: {bus: derived, points: {pulse: {privacy: health}}}
  rooms: {bus: derived, accept: {prefix: room-, points: 5}}`,
  rest: `
rules:
  mean-high: {point: calc.mean, above: 50}
  racing: {point: cuff.pulse, above: 200}
`,
};

test('a node inside the fence reads, gives points, and starts an alarm', async (t) => {
  if (!nodeRedPeer(t)) return;
  const site = await doorSite(t, '', DERIVED);
  const { gateway } = site;
  await gateway.up();
  await site.until('running');
  const { socket, token, fence } = await site.door();
  assert.equal(fence, true, 'the node runs behind the fence of Node');
  assert.match(token, /^[0-9a-z]{26}$/);
  assert.ok(lstatSync(socket).isSocket());
  assert.equal(lstatSync(socket).mode & 0o777, 0o600);
  if (site.runsAs === 'user') {
    assert.equal(socket, path.join(`${gateway.stateDir}-flows`, 'flows.sock'));
    assert.equal(statSync(path.dirname(socket)).mode & 0o777, 0o711);
    assert.equal(statSync(path.dirname(socket)).uid, 0);
    assert.equal(lstatSync(socket).uid, flowUser().uid);
  } else assert.equal(socket, path.join(gateway.stateDir, 'flows.sock'));

  // From inside.
  const raw = {
    ...{ id: 'raw', type: 'door-raw', z: 'tab', wires: [] },
    lines: [
      { type: 'subscribe', id: 's1', points: ['d1.n'], credit: 1 },
      { type: 'call', id: 'c1', do: 'put', readings: [{ point: 'calc.mean', value: 21.5, unit: 'Cel' }] },
    ],
  };
  assert.equal(await site.deploy([{ id: 'tab', type: 'tab', label: 'test' }, raw]), 204);
  await gateway.waitForLog(/door: \{"type":"welcome","v":1,"gateway":"g1"/);
  await gateway.waitForLog(/door: \{"type":"answer","id":"c1","result":\{"taken":1\}/);
  await gateway.waitForLog(/door: \{"type":"readings","id":"s1".*"point":"d1.n"/);

  // From outside of it, with the same token.
  const client = await site.client();
  const inventory = await client.line('the inventory', ({ type }) => type === 'inventory');
  assert.deepEqual(Object.keys(inventory.devices as object), ['d1', 'calc', 'cuff', 'rooms']);
  assert.deepEqual(inventory.rules, {
    'mean-high': { severity: 'warning', points: ['calc.mean'] },
    racing: { severity: 'warning', points: ['cuff.pulse'] },
  });
  client.say({ type: 'subscribe', id: 's2', points: ['calc.*', 'rooms.*'], mode: 'every', credit: 100 });
  client.say({ type: 'subscribe', id: 'a1', alarms: ['*'], credit: 10 });
  const present = await client.line('the present alarm', ({ rule }) => rule === 'mean-high');
  assert.deepEqual([present.rule, present.state, present.present], ['mean-high', 'normal', true]);
  const put = await client.call({
    do: 'put',
    readings: [
      { point: 'calc.mean', value: 60 },
      { point: 'rooms.room-7', value: 4, unit: 'Cel' },
    ],
  });
  assert.deepEqual(put.result, { taken: 2 });
  await waitFor('the readings come back', () => client.readings('s2').length === 2);
  const began = await client.line('the alarm', ({ type, state }) => type === 'alarm' && state === 'active-unacknowledged');
  assert.deepEqual([began.rule, began.value, began.present], ['mean-high', 60, undefined]);
  await client.line(
    'the new inventory',
    ({ type, devices }) => type === 'inventory' && JSON.stringify(devices).includes('room-7'),
  );
  assert.deepEqual((await client.call({ do: 'latest', points: ['*.mean', 'rooms.room-7'] })).result?.readings, [
    ...client.readings('s2').filter(({ point }) => point === 'rooms.room-7'),
    ...client.readings('s2').filter(({ point }) => point === 'calc.mean'),
  ]);
  // A flow sees the readings of the site. An alarm about a person has no value here either.
  client.say({ type: 'subscribe', id: 's3', points: ['cuff.*'], credit: 10 });
  assert.deepEqual((await client.call({ do: 'put', readings: [{ point: 'cuff.pulse', value: 48_613 }] })).result, { taken: 1 });
  const racing = await client.line(
    'the alarm about a person',
    ({ rule, state }) => rule === 'racing' && state === 'active-unacknowledged',
  );
  assert.equal(racing.value, null);
  assert.doesNotMatch(JSON.stringify(racing), /48613/);
  await waitFor('the reading', () => client.readings('s3').some(({ value }) => value === 48_613));
  const { result, parts } = await client.call({ do: 'history', point: 'calc.mean', from: 0 });
  assert.deepEqual([result?.count, result?.unit, parts.map((p) => (p as { value: number }).value)], [2, 'Cel', [21.5, 60]]);
  const counts = (await site.flows()).door;
  assert.deepEqual([counts?.connections, counts?.puts, counts?.refusedPuts], [2, 4, 0]);

  // A restart of the gateway: the accepted point is still there, and the old token is worth nothing.
  assert.equal(await gateway.stop(), 0);
  await client.ended();
  await gateway.up();
  await site.until('running');
  const again = await site.door();
  assert.notEqual(again.token, token);
  const stranger = await flowsClient(t, again.socket);
  stranger.hello(token);
  assert.match(String((await stranger.line('the refusal', ({ type }) => type === 'error')).message), /token is not the one/);
  await stranger.ended();
  const after = await (await site.client()).line('the inventory', ({ type }) => type === 'inventory');
  assert.deepEqual((after.devices as Record<string, { points: object }>).rooms?.points, {
    'room-7': { type: 'float64', unit: 'Cel', writable: false },
  });
  assert.equal(await gateway.stop(), 0);
});
