/** The line "The gateway is running.": the doors are open by then, or the line names the one that is not. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import test from 'node:test';
import { Raw } from '../../harness/embedded-broker.ts';
import { freePort } from '../../harness/free-port.ts';
import { makeGateway } from '../../harness/start-gateway.ts';

for (const [what, tls] of [
  ['a plain address', ''],
  ['a certificate that is made at this start', ', tls: true'],
] as const)
  test(`the broker listens when the gateway runs: ${what}`, async (t) => {
    const port = await freePort();
    const gateway = makeGateway(t, (g) => `${g.section}\nbroker: {listen: {host: 127.0.0.1, port: ${port}${tls}}}\n`);
    gateway.start();
    const line = await gateway.waitForLog(/The gateway is running/);
    assert.equal(line.waits, undefined);
    const raw = await Raw.open(t, port);
    assert.equal(raw.closed, false);
    if (tls === '') assert.equal(await raw.connect('first'), 0);
  });

test('an address that is taken does not hold up the start, and the line names it', async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  const gateway = makeGateway(t, (g) => `${g.section}\nbroker: {listen: {host: 127.0.0.1, port: ${port}}}\n`);
  gateway.start();
  const line = await gateway.waitForLog(/The gateway is running/);
  assert.deepEqual(line.waits, [`broker 127.0.0.1:${port}`]);
});
