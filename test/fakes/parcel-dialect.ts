/**
 * A dialect for tests alone, with what the dialects to come need and `json` does not: several messages a batch on topics of
 * their own, bytes, options, a will that changes with each connection, births, a subscription that asks for them again, a
 * number in each message that is given as it leaves, and a count that outlives the gateway.
 */
import * as z from 'zod';
import type { Dialect, LiveDialect, LogDialect, OutMessage } from '../../src/forwarders/mqtt/dialect.ts';
import { parcelFormat } from './parcel-format.ts';

const options = z.strictObject({ group: z.string().min(1).describe('The group.') }).describe('Of parcels.');

/** Puts the number of the connection in front: 0 in the birth, then 1 more each, 255 and 0 again. */
class Numbers {
  #next = 0;

  begin(): void {
    this.#next = 0;
  }
  message(topic: string, payload: Uint8Array | string): OutMessage {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const all = new Uint8Array(1 + bytes.length);
    all[0] = this.#next;
    all.set(bytes, 1);
    this.#next = (this.#next + 1) % 256;
    return { topic, payload: all, qos: 1, retain: false };
  }
}

export const parcelDialect: LogDialect = {
  kind: 'log',
  name: 'parcels',
  doc: 'for tests',
  root: 'parcels',
  ruleMessages: 'parcels are all that it takes',
  options,
  format: parcelFormat,
  create({ gateway, options, memory, inventory }) {
    const { group } = options as { group: string };
    const root = `parcels/${group}/${gateway}`;
    const numbers = new Numbers();
    let life = Number(memory.load() ?? -1);
    const death = (): OutMessage => ({ topic: `${root}/death`, payload: `${life}`, qos: 1, retain: false });
    const channel = ({ kind, key }: { kind: string; key: string }) => (key === 'unheard' ? undefined : `${root}/${kind}/${key}`);
    return {
      formatOptions: { group },
      will() {
        memory.save(++life);
        return death();
      },
      subscriptions: [`${root}/command`],
      received: () => 'greet',
      *greet() {
        numbers.begin();
        yield numbers.message(`${root}/birth`, `${life}`);
        for (const device of Object.keys((JSON.parse(inventory()) as { devices?: object }).devices ?? {}))
          yield numbers.message(`${root}/birth/${device}`, `${life}`);
      },
      farewell: () => [death()],
      *batch({ lane, messages }) {
        for (const { to, payload } of messages) yield numbers.message(`${root}/${lane}/${to}`, payload);
      },
      channel,
      *notice(notice) {
        yield numbers.message(channel(notice) ?? '', notice.json);
      },
    };
  },
};

/** A dialect without a cursor, likewise. */
export const glanceDialect: LiveDialect = {
  kind: 'live',
  name: 'glance',
  doc: 'for tests',
  root: 'glance',
  ruleMessages: 'parcels are all that it takes',
  create: ({ gateway, inventory }) => ({
    will: () => ({ topic: `glance/${gateway}/there`, payload: 'no', qos: 1, retain: true }),
    *greet() {
      yield { topic: `glance/${gateway}/there`, payload: 'yes', qos: 1, retain: true };
      for (const device of Object.keys((JSON.parse(inventory()) as { devices?: object }).devices ?? {}))
        yield { topic: `glance/${gateway}/${device}/config`, payload: '{}', qos: 1, retain: true };
    },
    farewell: () => [{ topic: `glance/${gateway}/there`, payload: 'no', qos: 1, retain: true }],
    *values(device, changed) {
      for (const { point, value } of changed)
        yield { topic: `glance/${gateway}/${device}/${point}`, payload: `${value}`, qos: 0, retain: true };
    },
    alarm: ({ key, json }) => [{ topic: `glance/${gateway}/alarm/${key}`, payload: json, qos: 1, retain: true }],
  }),
};

export const TEST_DIALECTS: readonly Dialect[] = [parcelDialect, glanceDialect];
