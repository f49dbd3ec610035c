/**
 * Return of an upstream: from the moment its port listens again until the first PUBLISH of a client is there. One broker (aedes, in
 * this process) for Sluice, the bridge of Mosquitto and Node-RED, so that all of them meet the same outages. Each has one message a
 * second to send. The settings are the defaults, but for the client that feeds the bridge.
 *
 * `npm run bench:return`; `-- --away SECONDS --times N`
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Aedes } from 'aedes';
import { connect } from 'mqtt';
import { freePort } from '../test/harness/free-port.ts';
import { waitFor } from '../test/harness/wait-for.ts';
import { writeBrokerConfig } from '../test/peers/mosquitto.ts';
import { findProgram } from '../test/peers/peers.ts';
import { percentile, printConditions, printTable } from './lib/conditions.ts';
import { dataSetNamed } from './lib/data-sets.ts';
import { startGateway, startResponder, writeSite } from './lib/site.ts';
import { Workspace } from './lib/workspace.ts';

const { values: options } = parseArgs({
  options: { away: { type: 'string', default: '30' }, times: { type: 'string', default: '5' } },
});
const NODE_RED = path.join(import.meta.dirname, '..', 'node-red', 'node_modules', 'node-red', 'red.js');
/** By the first word of its topics. */
const CLIENTS: Readonly<Record<string, string>> = {
  sluice: 'Sluice',
  bridge: 'Mosquitto, bridge',
  flow: 'Node-RED, mqtt out',
};

class Upstream {
  readonly port: number;
  /** When the first PUBLISH of each client came since the port listens, ms of `performance.now()`. */
  readonly first = new Map<string, number>();
  readonly #aedes: Aedes;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;

  constructor(port: number, aedes: Aedes) {
    this.port = port;
    this.#aedes = aedes;
    aedes.on('publish', ({ topic }, client) => {
      const word = topic.split('/')[0] ?? '';
      // The bridge tells its state at once; readings are asked for.
      if (client !== null && word in CLIENTS && !/status|inventory/.test(topic) && !this.first.has(word))
        this.first.set(word, performance.now());
    });
  }

  /** @returns when the port listens */
  listen(): Promise<number> {
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => socket.destroy());
      this.#aedes.handle(socket);
    });
    this.#server = server;
    this.first.clear();
    return new Promise((resolve) => server.listen(this.port, '127.0.0.1', () => resolve(performance.now())));
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server?.close(resolve));
  }
}

async function startSluice(space: Workspace, upstream: number): Promise<void> {
  const responder = await startResponder(space, 'decimal', '10', '1', '64');
  const site = { dataSet: dataSetNamed('decimal', 10), devices: 1, responder: responder.port, interval: '1s', upstream };
  startGateway(space, await writeSite(space, { ...site, batch: { maxAge: '1s' } }));
}

/** Mosquitto with a bridge, and a client that gives it a message a second. */
async function startBridge(space: Workspace, upstream: number): Promise<void> {
  const program = findProgram('mosquitto');
  if (program === undefined) throw new Error('this measurement needs Mosquitto: apt-get install -y mosquitto');
  const port = await freePort();
  const extra = ['connection up', `address 127.0.0.1:${upstream}`, 'topic bridge/# out 1', 'notifications false'];
  const folder = path.join(space.folder, 'bridge');
  mkdirSync(folder);
  const child = space.spawn(program, ['-c', writeBrokerConfig(folder, port, { extra })]);
  await waitFor('Mosquitto to run', () => child.stderr.some((line) => /running/.test(line)));
  const client = connect(`mqtt://127.0.0.1:${port}`);
  const timer = setInterval(() => client.publish('bridge/reading', `${Date.now()}`, { qos: 1 }), 1000);
  space.after(() => {
    clearInterval(timer);
    client.end(true);
  });
}

async function startNodeRed(space: Workspace, upstream: number): Promise<void> {
  const folder = path.join(space.folder, 'red');
  mkdirSync(folder);
  const flows = [
    { id: 'tab', type: 'tab', label: 'tab' },
    { id: 'broker', type: 'mqtt-broker', broker: '127.0.0.1', port: `${upstream}`, protocolVersion: '4', keepalive: '60' },
    {
      ...{ id: 'tick', type: 'inject', z: 'tab', props: [{ p: 'payload' }], repeat: '1', once: true, topic: '' },
      ...{ payload: '', payloadType: 'date', wires: [['out']] },
    },
    { id: 'out', type: 'mqtt out', z: 'tab', topic: 'flow/reading', qos: '1', retain: '', broker: 'broker', wires: [] },
  ];
  writeFileSync(path.join(folder, 'flows.json'), JSON.stringify(flows));
  const port = await freePort();
  const settings = { uiHost: '127.0.0.1', uiPort: port, flowFile: 'flows.json', telemetry: { enabled: false } };
  writeFileSync(path.join(folder, 'settings.js'), `module.exports = ${JSON.stringify(settings)};`);
  const child = space.spawn(process.execPath, [NODE_RED, '--userDir', folder, '--settings', path.join(folder, 'settings.js')]);
  await child.line(/Started flows/);
}

printConditions(`From a broker that listens again to the first PUBLISH; ${options.away} s away, ${options.times} times`);
await Workspace.use(async (space) => {
  const upstream = new Upstream(await freePort(), await Aedes.createBroker());
  await upstream.listen();
  await startSluice(space, upstream.port);
  await startBridge(space, upstream.port);
  await startNodeRed(space, upstream.port);
  const all = Object.keys(CLIENTS);
  const there = () =>
    waitFor(
      () => `${all.filter((one) => !upstream.first.has(one)).join(', ')}`,
      () => upstream.first.size === all.length,
    );
  await there();
  const took: Record<string, number[]> = Object.fromEntries(all.map((one) => [one, []]));
  for (let time = 0; time < Number(options.times); time++) {
    await upstream.end();
    // Not in step with the retries.
    await sleep(Number(options.away) * 1000 + time * 370);
    const from = await upstream.listen();
    await there();
    for (const [one, at] of upstream.first) took[one]?.push((at - from) / 1000);
    await sleep(3000);
  }
  printTable([
    ['client', 'each, s', 'median, s', 'most, s'],
    ...all.map((one) => {
      const each = took[one] ?? [];
      const [median, most] = [percentile(each, 0.5), Math.max(...each)];
      return [CLIENTS[one] ?? one, each.map((s) => s.toFixed(2)).join(' '), median.toFixed(2), most.toFixed(2)];
    }),
  ]);
  await upstream.end();
});
process.exit(0);
