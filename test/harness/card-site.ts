/** What stands around an emulated board: a broker with a subscriber, a Modbus device in the network, an instrument on a serial line. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Mosquitto, Subscriber } from '../peers/mosquitto.ts';
import { PROJECT } from './card-image.ts';
import { Child } from './child.ts';
import { freePort } from './free-port.ts';
import type { QemuBoard } from './qemu-board.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

/** Where the board finds them. */
const [BROKER, DEVICE] = ['10.0.2.100', '10.0.2.101'];
const POINTS = 'points: {speed: {table: holding, address: 0, type: uint16}}';
/** Emulated boards are slow: milliseconds. */
const WITHIN = 2_400_000;
/** Signs of the console that a failure shows. */
const CONSOLE = 6_000;
const OFF = Symbol('the board is off');

export const SECRETS = ['the-word-for-the-broker', '7K3M-Q2XV-9TRD'] as const;

/** `sluice.yaml` as a Windows editor writes it, with CRLF and a mark at the front. */
export function provisioningFile(line: boolean): string {
  const text = `site: Ghat 1, Basti
name: Water point
upstream:
  url: mqtt://${BROKER}:1883
  username: ghat-1
  password: ${SECRETS[0]}
claimCode: ${SECRETS[1]}
buses:
  net:
    preset: modbus-tcp
    host: ${DEVICE}
    devices:
      pump: {unit: 1, interval: 500ms, ${POINTS}}
${
  line
    ? `  line:
    preset: modbus-9600
    port: /dev/ttyUSB0
    devices:
      fridge: {unit: 2, interval: 1s, ${POINTS}}
`
    : ''
}`;
  return `\ufeff${text.replaceAll('\n', '\r\n')}`;
}

export interface Arrived {
  readonly gateway: string;
  readonly log: string;
  readonly boot: string;
  readonly seq: number;
  readonly device: string;
  /** Has a value. */
  readonly good: boolean;
  readonly text: string;
}
interface Batch {
  readonly gateway: string;
  readonly log: string;
  readonly boot: string;
  readonly records: readonly { readonly seq: number; readonly device: string; readonly bad?: object }[];
}

export class CardSite {
  readonly broker: Mosquitto;
  readonly #t: TestContext;
  readonly #subscriber: Subscriber;
  readonly #folder: string;
  #device = 0;
  #line: Child | undefined;

  private constructor(t: TestContext, broker: Mosquitto, subscriber: Subscriber) {
    this.#t = t;
    this.broker = broker;
    this.#subscriber = subscriber;
    this.#folder = scratch(t, 'card-site');
  }

  /** Undefined after a skip. */
  static async start(t: TestContext): Promise<CardSite | undefined> {
    const broker = await Mosquitto.start(t, { persistence: true });
    if (broker === undefined) return undefined;
    const subscriber = await Subscriber.start(t, broker.port, ['sluice/+/data', 'sluice/+/history']);
    if (subscriber === undefined) return undefined;
    const site = new CardSite(t, broker, subscriber);
    site.#device = await freePort();
    await site.#simulate('net', `{protocol: modbus-tcp, host: 127.0.0.1, port: ${site.#device}}`, 'pump', 1);
    return site;
  }

  get servers(): Record<string, number> {
    return { [`${BROKER}:1883`]: this.broker.port, [`${DEVICE}:502`]: this.#device };
  }

  /** The instrument at the end of the serial line of this start of the board. */
  async instrument(board: QemuBoard): Promise<void> {
    await this.#line?.stop('SIGKILL');
    const port = await board.serial();
    const bus = `{protocol: modbus-rtu, port: ${port}, baudRate: 9600, parity: none}`;
    this.#line = await this.#simulate('line', bus, 'fridge', 2, ['--port', `line=${port}`]);
  }

  /** Every record that came, in the order of arrival, with repeats. */
  records(): Arrived[] {
    return this.#subscriber
      .messages()
      .map(({ payload }) => JSON.parse(payload) as Batch)
      .flatMap(({ gateway, log, boot, records }) =>
        records.map((record) => ({
          ...{ gateway, log, boot, seq: record.seq, device: record.device },
          ...{ good: record.bad === undefined, text: JSON.stringify(record) },
        })),
      );
  }

  /** Waits for a record. @param before how many had come before what happened; default: those that came before this call */
  async next(
    what: string,
    board: QemuBoard,
    is: (record: Arrived) => boolean,
    before: number = this.records().length,
  ): Promise<Arrived> {
    return await this.once(what, board, () => this.records().slice(before).find(is));
  }

  async once<T>(what: string, board: QemuBoard, probe: () => T | Promise<T>): Promise<NonNullable<T>> {
    const found = await waitFor(
      () => `${what}; the console:\n${board.all().slice(-CONSOLE)}`,
      async () => (board.isOn ? await probe() : OFF),
      { timeout: WITHIN, every: 500 },
    );
    if (found === OFF) throw new Error(`the board went off before ${what}; the console:\n${board.all().slice(-CONSOLE)}`);
    return found;
  }

  async #simulate(bus: string, settings: string, device: string, unit: number, args: readonly string[] = []): Promise<Child> {
    const file = path.join(this.#folder, `${bus}.yaml`);
    writeFileSync(
      file,
      `gateway: {id: outside}\nbuses: {${bus}: ${settings}}\ndevices:\n  ${device}: {bus: ${bus}, unit: ${unit}, interval: 1s, ${POINTS}}\n`,
    );
    const child = new Child(process.execPath, [path.join(PROJECT, 'src/cli/main.ts'), 'simulate', file, ...args]);
    this.#t.after(() => child.stop('SIGKILL'));
    return child;
  }
}

/** Cases that build on each other: one that fails ends the test. */
export function steps(t: TestContext): (name: string, run: () => Promise<void>) => Promise<void> {
  return async (name, run) => {
    let fault: { readonly thrown: unknown } | undefined;
    await t.test(name, async () => {
      try {
        await run();
      } catch (thrown) {
        fault = { thrown };
        throw thrown;
      }
    });
    if (fault !== undefined) throw fault.thrown;
  };
}

/** Numbers that came with two contents: the same number never means two things. */
export function contradictions(records: readonly Arrived[]): string[] {
  const seen = new Map<string, string>();
  return records.flatMap(({ gateway, log, seq, text }) => {
    const key = `${gateway} ${log} ${seq}`;
    const known = seen.get(key);
    seen.set(key, text);
    return known === undefined || known === text ? [] : [`${key}: ${known} and ${text}`];
  });
}
