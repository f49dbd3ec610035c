/**
 * The watchdog of a gateway whose parts lose their timers, and of one whose devices, upstream brokers and disk are away or slow. The
 * gateway runs as it is installed, on a clock that goes faster.
 */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { MqttPeer } from '../../fakes/mqtt-peer.ts';
import { startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { type NotifyReceiver, notifyReceiver } from '../../harness/notify-receiver.ts';
import { type Gateway, makeGateway } from '../../harness/start-gateway.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { peer } from '../../peers/peers.ts';

const SLOW = { timeout: 600_000 };
const PRELOAD = pathToFileURL(path.join(import.meta.dirname, '..', '..', 'harness', 'lost-timers.ts')).href;
/**
 * The watch on each device, the rule and the time-out of the broker have timers of these lengths, in milliseconds, and few others do.
 * The rule takes its own while the gateway starts.
 */
const LOST = '61000-95000,200000-400000,15000-15000';

interface Site {
  readonly gateway: Gateway;
  readonly manager: NotifyReceiver;
}

/** A talker and an MQTT device that send nothing, a rule that waits, a broker that acknowledges nothing, and one that is away. */
async function silentSite(t: TestContext, env: NodeJS.ProcessEnv): Promise<Site | undefined> {
  const manager = await notifyReceiver(t);
  const python = peer(t, '/usr/bin/python3', 'apt-get install -y python3');
  if (manager === undefined || python === undefined) return undefined;
  const line = startChild(t, python, [path.join(import.meta.dirname, '..', '..', 'peers', 'paced-pty.py'), '0'], { stdin: true });
  const [port = ''] = (await line.line(/^\/dev\//)).split(' ');
  const upstream = new MqttPeer();
  await upstream.start();
  t.after(() => upstream.stop());
  upstream.hold(/./);
  const away = await freePort();
  const gateway = makeGateway(
    t,
    (g) => `
${g.section}
broker: {listen: {port: 0}}
buses: {yard: {protocol: serial, port: ${port}}, radio: {protocol: mqtt}}
devices:
  rain:
    bus: yard
    silentAfter: 71s
    frame: {type: line}
    decode: {type: key-value}
    points: {tips: {}}
  fridge: {bus: radio, topic: fridge, silentAfter: 82s, points: {temperature: {unit: Cel}}}
rules: {quiet: {point: rain.tips, stale: 400s}}
forwarders:
  mute: {type: mqtt, url: 'mqtt://127.0.0.1:${upstream.port}'}
  away: {type: mqtt, url: 'mqtt://127.0.0.1:${away}'}
`,
  );
  gateway.start({
    NODE_OPTIONS: `--import=${PRELOAD}`,
    ...env,
    NOTIFY_SOCKET: manager.socket,
    WATCHDOG_USEC: '30000000',
  });
  await gateway.waitForLog(/The gateway is running/);
  return { gateway, manager };
}

const fed = ({ manager }: Site) => manager.texts().filter((text) => text.includes('WATCHDOG=1')).length;
const hung = ({ manager }: Site) => manager.texts().filter((text) => text.includes('Hangs: '));

test('silent devices, upstream brokers that are away or mute, and a slow disk stop no feeding', SLOW, async (t) => {
  // A second is 20 s of its time. The wait shows as that of an idle thread, which hangs after 45 s, and a busy machine adds to it.
  const site = await silentSite(t, { SLOW_SYNC: '1000' });
  if (site === undefined) return;
  const { gateway } = site;
  const silent = async () =>
    (await gateway.status()).buses.flatMap(({ devices }) => devices).filter((one) => one.state === 'silent');
  await waitFor('both devices', async () => (await silent()).length === 2);
  await gateway.waitForLog(/^rain\.tips had no value/);
  const before = fed(site);
  // A look every 10 s of its time: 15 of them are three times the limit.
  await waitFor('15 looks', () => fed(site) >= before + 15 || hung(site).length > 0);
  assert.deepEqual(hung(site), []);
});

test('a part that lost its timer ends the feeding, and the words name it', SLOW, async (t) => {
  const site = await silentSite(t, { LOST_TIMERS: LOST });
  if (site === undefined) return;
  const { gateway, manager } = site;
  const parts = [
    'the watch on the device rain',
    'the watch on the device fridge',
    'the timer of the rules',
    'the time-out of the forwarder mute',
  ];
  await waitFor(
    () => `all parts in the words; they are:\n${hung(site).join('\n')}`,
    () => parts.every((part) => hung(site).at(-1)?.includes(`${part} is late by `)),
  );
  const words = manager.texts();
  const first = words.findIndex((text) => text.includes('Hangs: '));
  assert.ok(words.slice(first).every((text) => !text.includes('WATCHDOG=1')));
  assert.ok(!hung(site).join().includes('away'), 'its retries go their way');
  assert.equal(gateway.logs().filter(({ msg }) => msg.startsWith('The gateway hangs.')).length, 1);
});
