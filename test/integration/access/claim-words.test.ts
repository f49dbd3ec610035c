/** `sluice claim` shows, beside the code, the fingerprint that a client of each listener with TLS sees. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { type Gateway, makeGateway, sluice } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const LISTENERS = {
  'of a page': 'dashboard: {listen: [{port: 0, tls: true}]}',
  'of the embedded broker': 'broker: {listen: [{port: 0, tls: true}]}',
} as const;

/** As a client sees it, `AB:CD:…`. */
function seenAt(t: TestContext, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
      socket.destroy();
    });
    socket.on('error', reject);
    t.after(() => socket.destroy());
  });
}

async function tlsPort(gateway: Gateway): Promise<number> {
  return waitFor('a listener with TLS', async () => {
    const { broker, http } = await gateway.status();
    const all = [...(broker?.listeners ?? []), ...(http?.listeners ?? [])];
    return all.find(({ tls, port, fault }) => tls && port > 0 && fault === undefined)?.port;
  });
}

for (const [what, section] of Object.entries(LISTENERS))
  test(`the claim shows the fingerprint ${what}`, async (t) => {
    const gateway = makeGateway(t, (g) => `${g.section}\n${section}\n`);
    await gateway.up();
    const seen = await seenAt(t, await tlsPort(gateway));
    assert.match(seen, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const { code, stdout, stderr } = await sluice(t, 'claim', '--socket', gateway.socket);
    assert.deepEqual([code, stdout], [0, readFileSync(path.join(gateway.stateDir, 'claim'), 'utf8').trim()]);
    assert.deepEqual(stderr.match(/([0-9A-F]{2}:){31}[0-9A-F]{2}/g), [seen], stderr);
  });

test('without TLS the claim shows the code alone', async (t) => {
  const gateway = makeGateway(t, (g) => `${g.section}\nbroker: {listen: {port: 0}}\n`);
  await gateway.up();
  await gateway.brokerPort();
  const { code, stderr } = await sluice(t, 'claim', '--socket', gateway.socket);
  assert.equal(code, 0);
  assert.doesNotMatch(stderr, /fingerprint/);
});
