/** The first ten minutes of docs/start, followed as they stand: each command on the built program, each output by its shape. */
// Takes minutes: it starts before the others.
import test from 'node:test';
import { walkPage } from '../../harness/walk.ts';
import { peer, pythonPeer } from '../../peers/peers.ts';

const LIMIT = { timeout: 600_000 };
const CLIENTS = 'apt-get install -y mosquitto-clients';

test('docs/start/technician.md shows what the programs show', LIMIT, async (t) => {
  const script = peer(t, 'script', 'apt-get install -y bsdutils');
  const socat = peer(t, 'socat', 'apt-get install -y socat');
  if (script === undefined || socat === undefined) return;
  await walkPage(t, 'docs/start/technician.md');
});

test('docs/start/flow-editor.md shows what the programs show', LIMIT, async (t) => {
  const script = peer(t, 'script', 'apt-get install -y bsdutils');
  const clients = peer(t, 'mosquitto_sub', CLIENTS);
  if (script === undefined || clients === undefined) return;
  await walkPage(t, 'docs/start/flow-editor.md');
});

test('docs/start/platform-engineer.md shows what the programs show', LIMIT, async (t) => {
  const script = peer(t, 'script', 'apt-get install -y bsdutils');
  const broker = peer(t, '/usr/sbin/mosquitto', 'apt-get install -y mosquitto');
  const clients = peer(t, 'mosquitto_sub', CLIENTS);
  const paho = pythonPeer(t, 'paho.mqtt.client', 'apt-get install -y python3-paho-mqtt');
  if (script === undefined || broker === undefined || clients === undefined || paho === undefined) return;
  await walkPage(t, 'docs/start/platform-engineer.md');
});
