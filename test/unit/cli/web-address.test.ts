/** The addresses that `sluice claim` and `sluice status` name for a browser. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { HttpStatus } from '../../../src/admin/target.ts';
import { webAddresses } from '../../../src/cli/web-address.ts';

type Listener = HttpStatus['listeners'][number];
const MACHINE = { hostname: 'gate-1.lan', addresses: ['192.168.1.40', '10.0.0.2'] };
const secure = (host: string, more: Partial<Listener> = {}): Listener => ({ host, port: 8443, tls: true, ...more });
const reported = (listeners: readonly Listener[]) => ({ http: { listeners } as Partial<HttpStatus> as HttpStatus });
const urls = (listeners: readonly Listener[], machine = MACHINE): string[] =>
  webAddresses(reported(listeners), machine).map(({ url }) => url);

test('a gateway that listens everywhere has its name and each address of the board', () => {
  const all = ['https://gate-1.local:8443/', 'https://192.168.1.40:8443/', 'https://10.0.0.2:8443/'];
  assert.deepEqual(urls([secure('0.0.0.0')]), all);
  assert.deepEqual(urls([secure('::')]), all);
  assert.deepEqual(urls([secure('0.0.0.0')], { hostname: '', addresses: ['10.0.0.2'] }), ['https://10.0.0.2:8443/']);
});

test('one address is named as it is, IPv6 in brackets, with the fingerprint of its certificate', () => {
  assert.deepEqual(webAddresses(reported([secure('fd00::1', { port: 444, fingerprint: 'AB:CD' })])), [
    { url: 'https://[fd00::1]:444/', fingerprint: 'AB:CD' },
  ]);
});

test('plain HTTP and what does not listen have no address for a browser', () => {
  assert.deepEqual(urls([secure('10.0.0.2', { tls: false }), secure('10.0.0.3', { fault: 'it is in use' })]), []);
  assert.deepEqual(webAddresses({ http: undefined } as never, MACHINE), []);
  assert.deepEqual(webAddresses({ http: {} } as never, MACHINE), [], 'an older gateway');
});
