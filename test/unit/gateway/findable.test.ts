/** When the gateway can be found by name in its network, and under which name. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { encode } from 'dns-packet';
import { recordsOf } from '../../../src/admin/mdns/answers.ts';
import type { GatewayConfig } from '../../../src/config/kinds.ts';
import { announcedOf } from '../../../src/gateway/findable.ts';

const configOf = (id: string, announce: boolean | undefined) =>
  ({ gateway: { id }, dashboard: announce === undefined ? undefined : { announce } }) as unknown as GatewayConfig;
const listener = (host: string, tls = true, fault?: string) => ({ host, port: 8443, tls, fault });
const found = (id: string, announce: boolean | undefined, ...listeners: ReturnType<typeof listener>[]) =>
  announcedOf(configOf(id, announce), listeners, undefined);

test('only what is open to the network over TLS is announced, and only on request', () => {
  assert.deepEqual(found('g-1', true, listener('127.0.0.1'), listener('0.0.0.0')), { instance: 'g-1', host: 'g-1', port: 8443 });
  assert.equal(found('g-1', false, listener('0.0.0.0')), undefined);
  assert.equal(found('g-1', undefined, listener('0.0.0.0')), undefined);
  assert.equal(found('g-1', true), undefined);
  for (const closed of [listener('127.0.0.1'), listener('::1'), listener('localhost'), listener('0.0.0.0', false)])
    assert.equal(found('g-1', true, closed), undefined, closed.host);
  assert.equal(found('g-1', true, listener('0.0.0.0', true, 'another program listens there')), undefined);
});

test('every id makes a name that fits into a packet', () => {
  for (const id of ['a', 'house_12', 'a_', 'x'.repeat(64), `${'x'.repeat(60)}____`]) {
    const said = found(id, true, listener('::'));
    assert.ok(said !== undefined);
    assert.match(said.host, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    assert.ok(encode({ type: 'response', answers: recordsOf(said, ['192.0.2.1']) }).length > 0);
  }
  assert.equal(announcedOf(configOf('g', true), [listener('::')], 'a1b2c3')?.host, 'sluice-a1b2c3');
});
