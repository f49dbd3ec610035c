/** Queues of foreign clients other than Mosquitto's over a SIGKILL of the broker: paho for Python, and mqtt.js on both sides. */
import assert from 'node:assert/strict';
import path from 'node:path';
import test, { type TestContext } from 'node:test';
import mqtt from 'mqtt';
import { Folders } from '../../fakes/kept-bench.ts';
import { type Child, startChild } from '../../harness/child.ts';
import { scratch } from '../../harness/scratch.ts';
import { waitFor } from '../../harness/wait-for.ts';
import { Subscriber } from '../../peers/mosquitto.ts';

const MESSAGES = 2000;
/** One client may make so many requests at once. */
const AT_ONCE = 100;

interface Reader {
  leave(): Promise<void>;
  back(): Promise<void>;
  /** Payloads in the order in which they came. */
  got(): string[];
}

async function pahoReader(t: TestContext, port: number): Promise<Reader | undefined> {
  const paho = await Subscriber.start(t, port, ['plant/#'], { id: 'paho' });
  return (
    paho && {
      leave: () => paho.pause(),
      back: () => paho.resume(),
      got: () => paho.messages().map(({ payload }) => payload),
    }
  );
}

async function mqttJsReader(t: TestContext, port: number): Promise<Reader> {
  const got: string[] = [];
  const open = async () => {
    const client = mqtt.connect({ host: '127.0.0.1', port, clientId: 'js', clean: false, reconnectPeriod: 0 });
    t.after(() => client.end(true));
    client.on('message', (_topic, payload) => got.push(payload.toString()));
    await new Promise<void>((resolve, reject) => client.once('connect', () => resolve()).once('error', reject));
    return client;
  };
  let client = await open();
  await client.subscribeAsync('plant/#', { qos: 1 });
  return {
    leave: () => client.endAsync(),
    back: async () => {
      client = await open();
    },
    got: () => got,
  };
}

async function brokerChild(t: TestContext, folders: Folders, port: number): Promise<{ child: Child; port: number }> {
  const program = path.join(import.meta.dirname, '..', '..', 'harness', 'broker-child.ts');
  const child = startChild(t, process.execPath, [program, folders.stateDir, folders.runtimeDir, String(port)]);
  return { child, port: (JSON.parse(await child.line(/"port"/)) as { port: number }).port };
}

for (const [name, start] of [
  ['paho', pahoReader],
  ['mqtt.js', mqttJsReader],
] as const)
  test(`2,000 acknowledged messages wait for ${name} over a SIGKILL, in order, each once`, { timeout: 400_000 }, async (t) => {
    const folders = new Folders(scratch(t, 'clients'));
    const { child, port } = await brokerChild(t, folders, 0);
    const reader = await start(t, port);
    if (reader === undefined) return;
    await reader.leave();
    const all: string[] = [];
    while (all.length < MESSAGES) {
      const writer = mqtt.connect({ host: '127.0.0.1', port, reconnectPeriod: 0 });
      const some = Array.from({ length: AT_ONCE }, (_, i) => `m${all.length + i}`);
      await Promise.all(some.map((text) => writer.publishAsync('plant/t', text, { qos: 1 })));
      all.push(...some);
      await writer.endAsync();
    }
    await child.stop('SIGKILL');
    await brokerChild(t, folders, port);
    await reader.back();
    await waitFor(
      () => `the queue; ${reader.got().length} came`,
      () => reader.got().length >= MESSAGES,
    );
    assert.deepEqual(reader.got(), all);
  });
