/**
 * A link that is up for 3 s in every 20 s and drops every packet in between: how many of its windows a gateway uses, in real time.
 * Kernels give the packets away, and no program knows of it. It needs root, iproute2 and Mosquitto.
 *
 * `npm run bench:short-windows`; `-- --windows N --up SECONDS --period SECONDS --every SECONDS`
 */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectAsync } from 'mqtt';
import { Authority } from '../test/harness/certificates.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { Consumer } from '../test/oracles/consumer.ts';
import { writeBrokerConfig } from '../test/peers/mosquitto.ts';
import { findProgram } from '../test/peers/peers.ts';
import { printConditions, printTable } from './lib/conditions.ts';
import { alone } from './lib/fleet-net.ts';
import { BROKER, WindowsNet } from './lib/windows-net.ts';
import { Workspace } from './lib/workspace.ts';

alone();

const { values: options } = parseArgs({
  options: {
    windows: { type: 'string', default: '40' },
    up: { type: 'string', default: '3' },
    period: { type: 'string', default: '20' },
    every: { type: 'string', default: '10' },
  },
});
const [count, up, period] = [Number(options.windows), Number(options.up) * 1000, Number(options.period) * 1000];
const every = Number(options.every) * 1000;
const [PLAIN, TLS] = [1883, 8883];

const ROWS = [
  { name: 'MQTT', url: `mqtt://${BROKER}:${PLAIN}`, old: false },
  { name: 'MQTT, kernel before 6.5', url: `mqtt://${BROKER}:${PLAIN}`, old: true },
  { name: 'MQTT over TLS 1.3', url: `mqtts://${BROKER}:${TLS}`, old: false },
  { name: 'MQTT over TLS 1.3, kernel before 6.5', url: `mqtts://${BROKER}:${TLS}`, old: true },
];

printConditions(
  `A link that is up for ${up / 1000} s in every ${period / 1000} s, ${count} times; a reading each ${every / 1000} s`,
);
await Workspace.use(async (space) => {
  const mosquitto = findProgram('mosquitto');
  const authority = Authority.make(space.asTest);
  if (mosquitto === undefined || authority === undefined)
    throw new Error('this measurement needs Mosquitto and openssl: apt-get install -y mosquitto openssl');
  const net = await WindowsNet.make(space, ROWS.length);
  const { cert, key } = authority.sign('broker', { names: `IP:${BROKER}` });
  const extra = [`listener ${PLAIN} ${BROKER}`, `listener ${TLS} ${BROKER}`, `certfile ${cert}`, `keyfile ${key}`];
  const broker = path.join(space.folder, 'broker');
  mkdirSync(broker);
  const [enter = '', ...words] = [...net.broker.enter, mosquitto, '-c', writeBrokerConfig(broker, 11_883, { extra })];
  const server = space.spawn(enter, words);
  await waitFor('Mosquitto to run', () => server.stderr.some((line) => /running/.test(line)));

  /** By gateway: the windows in which a reading came for the first time, and all readings. */
  const seen = ROWS.map(() => ({ used: new Set<number>(), consumer: new Consumer(), inWindows: 0 }));
  let window = -1;
  // The router has a wire of its own to the broker.
  const subscriber = await connectAsync(`mqtt://${BROKER}:${PLAIN}`);
  space.after(() => subscriber.endAsync(true));
  subscriber.on('message', (topic, payload) => {
    const row = seen[Number(topic.split('/')[1]?.slice(1))];
    if (row === undefined) return;
    const before = row.consumer.records().length;
    row.consumer.feed(topic, payload.toString());
    if (row.consumer.records().length > before && window >= 0) row.used.add(window);
  });
  await subscriber.subscribeAsync('sluice/#', { qos: 1 });

  const gateways = ROWS.map(({ url, old }, i) => {
    const place = net.gateways[i];
    if (place === undefined) throw new Error('no place');
    if (old) net.oldKernel(place);
    const ca = url.startsWith('mqtts') ? { ca: authority.ca } : {};
    const plan = { gateway: `g${i}`, folder: path.join(space.folder, `g${i}`), url, every, ...ca };
    const [program = '', ...rest] = [...place.enter, process.execPath, ...process.execArgv];
    const file = path.join(import.meta.dirname, 'lib', 'short-windows-gateway.ts');
    return space.spawn(program, [...rest, file, JSON.stringify(plan)], { stdin: true });
  });
  const ask = async (i: number, word: string): Promise<{ taken: number; acked: number; connects: number }> => {
    const gateway = gateways[i];
    const before = gateway?.stdout.length ?? 0;
    gateway?.write(word);
    return JSON.parse((await waitFor(`an answer of gateway ${i}`, () => gateway?.stdout[before])) ?? '{}');
  };
  for (const gateway of gateways) await gateway.line(/^runs$/);

  const began = performance.now();
  for (let i = 0; i < count; i++) {
    const opens = began + (i + 1) * period - up;
    await sleep(opens - performance.now());
    window = i;
    net.link(true);
    await sleep(opens + up - performance.now());
    net.link(false);
  }
  const table: (string | number)[][] = [];
  for (const [i, { name }] of ROWS.entries()) {
    const { taken, connects } = await ask(i, 'report');
    const place = net.gateways[i];
    const row = seen[i];
    if (place === undefined || row === undefined) continue;
    const { opens, again, sent, received } = net.counted(place);
    row.inWindows = row.consumer.records().length;
    table.push([
      name,
      `${row.used.size} of ${count}`,
      `${row.inWindows} of ${taken}`,
      opens,
      opens + again,
      connects,
      sent,
      received,
    ]);
  }
  // The rest arrives when the link stays, and nothing came twice behind the marks.
  window = -1;
  net.link(true);
  for (const [i, { name }] of ROWS.entries()) {
    const { taken } = await ask(i, 'stop');
    const { consumer } = seen[i] ?? { consumer: new Consumer() };
    await waitFor(
      () => `the rest of ${name}: ${consumer.records().length} of ${taken}`,
      () => consumer.records().length === taken,
      { timeout: 120_000 },
    );
    const wrong = consumer.judge();
    if (wrong.length > 0) throw new Error(`${name}: ${JSON.stringify(wrong.slice(0, 3))}`);
  }
  printTable([
    ['way', 'windows used', 'readings in them', 'tries', 'SYNs', 'connections', 'bytes sent', 'bytes received'],
    ...table,
  ]);
  console.log('Afterwards the link stayed: everything arrived, and nothing counted twice.');
});
process.exit(0);
