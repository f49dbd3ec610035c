/** A running gateway that takes commands from a real Mosquitto, with a device of pymodbus; published by mosquitto_pub, answered to paho. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { Mosquitto, Subscriber } from '../peers/mosquitto.ts';
import { peer } from '../peers/peers.ts';
import { SettableDevice } from '../peers/settable-device.ts';
import { type Gateway, makeGateway } from './start-gateway.ts';
import { waitFor } from './wait-for.ts';

export const ROOT = 'sluice/g1';
/** Everything is granted. The pump has all the time that a busy machine takes, and `dead` costs a time-out of the bus. */
const ALL = '{write: ["pump.*", dead.x], read: ["*"], ack: ["*"], shelve: ["*"], reload: true, resend: true}';

export interface Answer {
  readonly id: string;
  readonly ok: boolean;
  readonly code?: string;
  readonly message?: string;
  readonly result?: Record<string, unknown>;
}
export interface ResentPart {
  readonly log: string;
  readonly first: number;
  readonly last: number;
  readonly records: readonly {
    readonly seq: number;
    readonly device: string;
    readonly time: number;
    readonly values: Record<string, unknown>;
    /** Readings that failed: a busy machine answers late. */
    readonly bad?: Record<string, unknown>;
  }[];
}

export async function commandedGateway(t: TestContext, commands = ALL) {
  const publish = peer(t, 'mosquitto_pub', 'apt-get install -y mosquitto-clients');
  const [broker, device] = [await Mosquitto.start(t), await SettableDevice.start(t)];
  if (publish === undefined || broker === undefined || device === undefined) return undefined;
  const sub = await Subscriber.start(t, broker.port, [
    `${ROOT}/result/+`,
    `${ROOT}/resend/+`,
    `${ROOT}/event`,
    `${ROOT}/data`,
    `${ROOT}/history`,
    `${ROOT}/alarm/+`,
  ]);
  if (sub === undefined) return undefined;
  const yaml = (g: Gateway) => `
${g.section}
buses: {plant: {protocol: modbus-tcp, host: 127.0.0.1, port: ${device.port}, timeout: 300ms, retries: 0}}
devices:
  pump:
    bus: plant
    unit: 1
    timeout: 10s
    interval: 100ms
    points:
      speed: {table: holding, address: 10, type: uint16, unit: Hz, write: {min: 0, max: 60, every: 0ms}}
      secret: {table: holding, address: 20, type: uint16}
  dead: {bus: plant, unit: 9, interval: 1h, points: {x: {table: holding, address: 0, type: uint16, write: {min: 0, max: 9, every: 0ms}}}}
rules:
  fast: {point: pump.speed, above: 55, severity: warning, acknowledge: required}
buffer: {commitEvery: 200ms}
forwarders:
  cloud: {type: mqtt, url: '${broker.url}', commands: ${commands}}
`;
  const gateway = makeGateway(t, yaml);
  await gateway.up();
  await gateway.waitForLog(/Connected to the upstream broker/);
  const say = (message: object | string, ...args: string[]) => {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    const { status, stderr } = spawnSync(
      publish,
      ['-p', String(broker.port), '-q', '1', '-t', `${ROOT}/command`, '-m', text, ...args],
      { encoding: 'utf8' },
    );
    assert.equal(status, 0, stderr);
  };
  const answers = (id: string): Answer[] =>
    sub
      .messages()
      .filter(({ topic }) => topic === `${ROOT}/result/${id}`)
      .map(({ payload }) => JSON.parse(payload) as Answer);
  const answer = (id: string, nth = 1): Promise<Answer> =>
    waitFor(
      () => `answer ${nth} to ${id}; the log:\n${gateway.tail(8)}`,
      () => answers(id)[nth - 1],
    );
  const ask = (message: { readonly id: string; readonly [key: string]: unknown }): Promise<Answer> => {
    say(message);
    return answer(message.id);
  };
  const parts = (id: string): ResentPart[] =>
    sub
      .messages()
      .filter(({ topic }) => topic === `${ROOT}/resend/${id}`)
      .map(({ payload }) => JSON.parse(payload) as ResentPart);
  return { broker, publish, device, sub, gateway, yaml, say, ask, answer, answers, parts };
}
