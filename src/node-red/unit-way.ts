/**
 * Node-RED as a service of systemd, under a user of its own (systemd/sluice-node-red.*). The gateway has no rights over that service,
 * and needs none:
 * - It connects to the socket of the service, which only its user may do; systemd then starts the service.
 * - It writes a stop file; systemd then ends the service with everything in it, kills it after 15 s, and removes the file. A file that
 *   is gone is the proof that nothing is left.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { Clock } from '../core/clock.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { DoorPlace } from './door/place.ts';
import { Lines } from './lines.ts';
import { LONGEST_LINE, parseFromChild, type ToChild } from './messages.ts';
import { readPaced } from './paced-reader.ts';
import { ownUnit } from './unit-owner.ts';
import type { FlowProcess, FlowWay, ProcessListener } from './way.ts';

/** Where the unit files have them. */
export interface UnitPlaces {
  /** The sockets: `gateway.sock`, `editor.sock`. */
  readonly sockets: string;
  readonly stopFile: string;
  /** A second RuntimeDirectory of the gateway, for the socket for flows. */
  readonly door: string;
  /** Which gateway has the service (unit-owner.ts). */
  readonly ownerFile: string;
  /** StateDirectory of the service. */
  readonly folder: string;
}
export const UNIT_PLACES: UnitPlaces = {
  sockets: '/run/sluice-node-red',
  stopFile: '/run/sluice/node-red.stop',
  door: '/run/sluice-flows',
  ownerFile: '/run/sluice/node-red.owner',
  folder: '/var/lib/sluice-node-red',
};

/** systemd ends the service within 15 s, and removes the file after that. */
const STOPPED_WITHIN = 25_000;
const LOOK_EVERY = 100;
const MOST_UNSENT = 64 * 1024;
/** Words for people. */
export const ENABLE = 'systemctl enable --now sluice-node-red.socket sluice-node-red-stop.path';

export class UnitWay implements FlowWay {
  readonly runsAs = 'service';
  readonly socket = undefined;
  readonly folder: string;
  readonly #clock: Clock;
  readonly #places: UnitPlaces;

  constructor(clock: Clock, places: UnitPlaces = UNIT_PLACES) {
    this.#clock = clock;
    this.#places = places;
    this.folder = places.folder;
  }

  clear(): Promise<void> {
    if (!existsSync(this.#door)) throw new SluiceError('unsupported', unitFault(this.#places));
    this.#own();
    return stopService(this.#clock, this.#places);
  }

  async start(listener: ProcessListener): Promise<FlowProcess> {
    this.#own();
    const channel = net.connect(this.#door);
    const { promise: connected, resolve, reject } = Promise.withResolvers<void>();
    channel.once('connect', resolve);
    channel.once('error', reject);
    try {
      await connected;
    } catch (thrown) {
      throw new SluiceError('unsupported', `${this.#door} does not answer (${toError(thrown).message}); run ${ENABLE}`, {
        cause: thrown,
      });
    }
    channel.on('error', () => {});
    return new ServiceProcess(channel, this.#clock, this.#places, listener);
  }

  /** The gateway knows no number of the user of the service: everybody may connect, and needs the token. */
  async door(): Promise<DoorPlace> {
    return { folder: this.#places.door, folderMode: 0o711, mode: 0o666 };
  }

  async adopt(): Promise<string> {
    return path.join(this.#places.sockets, 'editor.sock');
  }

  /** @throws SluiceError where another gateway has the service */
  #own(): void {
    const other = ownUnit(this.#places.ownerFile);
    if (other !== undefined)
      throw new SluiceError(
        'unsupported',
        `another gateway of this machine (process ${other}) runs the service sluice-node-red, and there is one for one gateway; write nodeRed.user for this gateway, or switch Node-RED off in one of them`,
      );
  }

  get #door(): string {
    return path.join(this.#places.sockets, 'gateway.sock');
  }
}

/** Why there is no such service, in words; '' where there is. */
export function unitFault({ sockets }: UnitPlaces = UNIT_PLACES): string {
  if (existsSync(path.join(sockets, 'gateway.sock'))) return '';
  return `the service sluice-node-red is not there (no ${sockets}/gateway.sock): run ${ENABLE}, or write nodeRed.user for a gateway that runs as root`;
}

class ServiceProcess implements FlowProcess {
  readonly #channel: net.Socket;
  readonly #places: UnitPlaces;
  pid: number | undefined;

  constructor(channel: net.Socket, clock: Clock, places: UnitPlaces, listener: ProcessListener) {
    this.#channel = channel;
    this.#places = places;
    const lines = new Lines(LONGEST_LINE, (line) => {
      const message = parseFromChild(line);
      if (message === undefined) return;
      if (message.type === 'hello') this.pid ??= message.pid;
      listener.message(message);
    });
    readPaced(channel, clock, (chunk) => lines.push(chunk));
    channel.on('close', () => {
      // The process may have ended, and something that it started may not.
      const why = 'its service ended (journalctl -u sluice-node-red)';
      stopService(clock, places).then(
        () => listener.ended(why),
        (thrown: unknown) => listener.ended(`${why}, and ${toError(thrown).message}`),
      );
    });
  }

  send(message: ToChild): void {
    if (this.#channel.writable && this.#channel.writableLength < MOST_UNSENT) this.#channel.write(`${JSON.stringify(message)}\n`);
  }

  end(): void {
    askToStop(this.#places);
  }

  kill(): void {
    askToStop(this.#places);
  }
}

function askToStop({ stopFile }: UnitPlaces): void {
  try {
    writeFileSync(stopFile, '', { mode: 0o640 });
  } catch {
    // The wait for its end reports it.
  }
}

/** @throws SluiceError where systemd does not do it */
async function stopService(clock: Clock, places: UnitPlaces): Promise<void> {
  askToStop(places);
  if (!existsSync(places.stopFile))
    throw new SluiceError('unsupported', `${places.stopFile} cannot be written, so Node-RED cannot be ended by it`);
  const end = clock.monotonic() + STOPPED_WITHIN;
  while (existsSync(places.stopFile)) {
    if (clock.monotonic() >= end) {
      rmSync(places.stopFile, { force: true });
      throw new SluiceError(
        'unsupported',
        `systemd did not end the service of Node-RED when ${places.stopFile} was written; run ${ENABLE}`,
      );
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    clock.after(LOOK_EVERY, resolve);
    await promise;
  }
}
