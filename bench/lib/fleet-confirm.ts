/** What a cluster does and does not, tried with clients, so that the table of settings is not hearsay. Lines for a page. */
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Engine } from './fleet-engines.ts';

/** Milliseconds in which a message would have come. */
const SOON = 3000;
/** Milliseconds in which a message comes again that was not acknowledged. */
const REPEAT = 40_000;
const TRIES = 25;

const VERSIONS = [
  [4, '3.1.1'],
  [5, '5'],
] as const;

interface Came {
  readonly topic: string;
  readonly text: string;
}

class Probe {
  readonly client: MqttClient;
  readonly came: Came[] = [];
  readonly #begun: Promise<string>;

  constructor(url: string, options: IClientOptions, acknowledges = true) {
    this.client = connect(url, { reconnectPeriod: 0, connectTimeout: 5000, ...options });
    this.client.handleMessage = ({ topic, payload }, done) => {
      this.came.push({ topic, text: payload.toString() });
      if (acknowledges) done();
    };
    this.#begun = new Promise((resolve) => {
      this.client.once('connect', () => resolve('accepted'));
      this.client.once('error', ({ message }) => resolve(`refused (${message})`));
      this.client.once('close', () => resolve('closed'));
    });
  }
  connected(): Promise<string> {
    return this.#begun;
  }
  subscribe(filter: string): Promise<string> {
    return new Promise((resolve) => {
      this.client.once('close', () => resolve('closes the connection'));
      this.client.subscribe(filter, { qos: 1 }, (error, granted) =>
        resolve(error === null || error === undefined ? `grants QoS ${granted?.[0]?.qos}` : `refuses it (${error.message})`),
      );
    });
  }
  publish(topic: string, text: string, retain = false): Promise<void> {
    return new Promise((resolve, reject) => {
      this.client.publish(topic, text, { qos: 1, retain }, (error) => (error ? reject(error) : resolve()));
    });
  }
  end(): void {
    this.client.end(true);
  }
}

export async function confirmed(engine: Engine): Promise<string[]> {
  const [one, two] = engine.nodes.map(({ url }) => url) as [string, string, string];
  const { login } = engine;
  const words: string[] = [];
  const open = opener(engine);

  for (const [version, name] of VERSIONS) {
    const probe = new Probe(one, { clientId: `version-${version}`, protocolVersion: version, ...login });
    words.push(`MQTT ${name}: ${await probe.connected()}`);
    probe.end();
  }

  const publisher = await open(one, 'probe-publisher');
  await publisher.publish('probe/retained/a', 'kept', true);
  await sleep(SOON / 3);
  for (const [url, where] of [
    [one, 'the node that took it'],
    [two, 'another node'],
  ] as const)
    for (const filter of ['probe/retained/a', 'probe/retained/+']) {
      const reader = await open(url, 'probe-reader');
      await reader.subscribe(filter);
      await sleep(SOON / 2);
      words.push(
        `a retained message, asked for as ${filter} at ${where}: ${reader.came.length === 1 ? 'comes' : 'does not come'}`,
      );
      reader.end();
    }

  for (const [version, name] of VERSIONS) {
    const sharing = await open(one, 'probe-share', { protocolVersion: version });
    if (!sharing.client.connected) continue;
    const answer = await sharing.subscribe('$share/workers/probe/share');
    let arrived = 0;
    if (sharing.client.connected) {
      await publisher.publish('probe/share', 'x');
      await sleep(SOON / 2);
      arrived = sharing.came.length;
    }
    words.push(`$share/workers/probe/share (MQTT ${name}): the broker ${answer}; ${arrived} of 1 messages comes`);
    sharing.end();
  }

  if (engine.prepare !== undefined) {
    words.push(`with the settings of a new cluster: ${await owed(engine, publisher)}`);
    engine.prepare();
  }
  words.push(await owed(engine, publisher), await orderOf(engine, publisher));
  publisher.end();
  return words;
}

function opener({ login }: Engine) {
  return async (url: string, clientId: string, more: IClientOptions = {}, acknowledges = true): Promise<Probe> => {
    const probe = new Probe(url, { clientId, ...login, ...more }, acknowledges);
    await probe.connected();
    return probe;
  };
}

/** A persistent session takes a message many times and never acknowledges it. */
async function owed(engine: Engine, publisher: Probe): Promise<string> {
  const [one, two] = engine.nodes.map(({ url }) => url) as [string, string, string];
  const open = opener(engine);
  const session: IClientOptions = { clientId: 'probe-session', clean: false };
  const owner = await open(one, 'probe-session', session);
  await owner.subscribe('probe/session');
  owner.end();
  await publisher.publish('probe/session', 'owed');
  let times = 0;
  for (let i = 0; i < TRIES; i++) {
    const reader = await open(i % 2 === 0 ? one : two, 'probe-session', session, false);
    for (let waited = 0; reader.came.length === 0 && waited < SOON / 3; waited += 50) await sleep(50);
    times += reader.came.length > 0 ? 1 : 0;
    reader.end();
    await sleep(50);
  }
  const last = await open(two, 'probe-session', session);
  for (let waited = 0; last.came.length === 0 && waited < REPEAT; waited += 50) await sleep(50);
  const fate = last.came.length > 0 ? 'it comes again' : 'it is lost';
  await new Promise((resolve) => last.client.unsubscribe('probe/session', resolve));
  last.end();
  const end = await open(two, 'probe-session', { clean: true });
  end.end();
  return `a message that a persistent session got ${times} times in ${TRIES} connections at two nodes without an acknowledgement: ${fate}`;
}

/** A receiver takes messages, loses its connection before it acknowledges them, and comes back when there are more. */
async function orderOf(engine: Engine, publisher: Probe): Promise<string> {
  const [one, two] = engine.nodes.map(({ url }) => url) as [string, string, string];
  const open = opener(engine);
  const session: IClientOptions = { clientId: 'probe-order', clean: false };
  const first = await open(one, 'probe-order', session, false);
  await first.subscribe('probe/order');
  for (let n = 1; n <= 5; n++) await publisher.publish('probe/order', `${n}`);
  for (let waited = 0; first.came.length === 0 && waited < SOON; waited += 50) await sleep(50);
  first.end();
  await sleep(SOON / 3);
  for (let n = 6; n <= 10; n++) await publisher.publish('probe/order', `${n}`);
  const next = await open(two, 'probe-order', session);
  for (let waited = 0; new Set(next.came.map(({ text }) => text)).size < 10 && waited < REPEAT; waited += 50) await sleep(50);
  await new Promise((resolve) => next.client.unsubscribe('probe/order', resolve));
  next.end();
  (await open(two, 'probe-order', { clean: true })).end();
  return `messages 1 to 5 were not acknowledged, 6 to 10 followed; the session then gets ${next.came.map(({ text }) => text).join(' ')}`;
}
