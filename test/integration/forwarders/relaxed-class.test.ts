/** A reload lets a value leave that stayed before: a format that shows latest values begins without that of before. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Mqtt5Peer } from '../../fakes/mqtt5-peer.ts';
import { registerServer } from '../../fakes/register-server.ts';
import { found, PLANTED, secrets } from '../../harness/private-site.ts';
import { makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';

const WATTS = secrets(['watts'], []);

const CHANGES: Readonly<Record<string, readonly [before: string, after: string]>> = {
  'a point that is about people no more': ['privacy: household', 'privacy: technical'],
  'a rule of a class that is taken away': ['household: {upstream: never}', 'household: {}'],
};

for (const [what, [before, after]] of Object.entries(CHANGES))
  test(`${what} gives nobody the value from before`, async (t) => {
    const device = await registerServer(t);
    for (const [i, word] of [PLANTED.watts >>> 16, PLANTED.watts & 0xffff].entries()) device.registers.set(10 + i, word);
    const formats = ['homeassistant', 'sparkplug-b'] as const;
    const peers = new Map<string, Mqtt5Peer>();
    for (const format of formats) peers.set(format, await Mqtt5Peer.start(t));
    // The gateway reads when it starts, and not again in this test.
    const gateway = makeGateway(
      t,
      (g) => `${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 60s}}
devices:
  meter:
    bus: plant
    unit: 1
    interval: 1h
    points:
      watts: {table: holding, address: 10, type: uint32, privacy: household}
      mains: {table: holding, address: 20, type: uint16}
privacy: {household: {upstream: never}}
forwarders:
${formats.map((format) => `  ${format}: {type: mqtt, url: "${peers.get(format)?.url}", protocol: 5, format: ${format}, purpose: billing by the utility${format === 'sparkplug-b' ? ', sparkplug-b: {group: hills}' : ''}}\n`).join('')}`,
    );
    device.registers.set(20, 230);
    await gateway.up();
    const isBirth = ({ topic, payload }: { topic: string; payload: Buffer }) =>
      /DBIRTH/.test(topic) || (topic.endsWith('/state/device/meter') && /"mains":230/.test(`${payload}`));
    const births = () => [...peers.values()].map(({ messages }) => messages.filter(isBirth).length);
    await waitFor('both formats', () => births().every((count) => count > 0));
    // The log has the reading, and the cursor passes it under the rules of now.
    await waitFor('nothing waits', async () => (await gateway.status()).forwarders.every(({ waiting }) => waiting === 0));
    const first = births();
    const yaml = readFileSync(gateway.config, 'utf8');
    const changes = await gateway.reload(yaml.replace(before, after));
    assert.deepEqual([...changes].sort(), formats.map((format) => `forwarders.${format}`).sort());
    await waitFor('both begin anew', () => births().every((count, i) => count > (first[i] as number)));
    assert.match(`${peers.get('homeassistant')?.messages.filter(isBirth).at(-1)?.payload}`, /"watts":null/);
    for (const { messages } of peers.values())
      for (const { topic, payload } of messages)
        assert.deepEqual(found(payload, WATTS), [], `${topic}: ${payload.toString('latin1')}`);
  });
