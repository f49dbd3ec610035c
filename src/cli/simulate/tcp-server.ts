/** Devices of one network bus as a Modbus TCP server: several units behind one port, faults included. */
import { createServer, type Server, type Socket } from 'node:net';
import { SluiceError } from '../../core/errors.ts';
import type { FaultBoard } from './faults.ts';
import type { ModbusDevice } from './modbus-device.ts';
import { exceptionReply } from './modbus-device.ts';

/** Of a gateway whose device is not there: GATEWAY TARGET DEVICE FAILED TO RESPOND. */
const NO_DEVICE = 11;
const HEADER = 7;
/** MBAP: unit and PDU together. */
const MAX_LENGTH = 254;

export class TcpServer {
  readonly bus: string;
  readonly host: string;
  #port: number;
  readonly #devices: ReadonlyMap<number, ModbusDevice>;
  readonly #faults: FaultBoard;
  readonly #random: () => number;
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #server: Server | undefined;
  /** Changes of state one after the other: a listener that is closing must not be opened yet. */
  #turn: Promise<void> = Promise.resolve();
  #wanted = false;

  /** @param port 0 takes any free one; `port` tells which, once started */
  constructor(
    bus: string,
    address: { host: string; port: number },
    devices: readonly ModbusDevice[],
    faults: FaultBoard,
    random: () => number,
  ) {
    this.bus = bus;
    this.host = address.host;
    this.#port = address.port;
    this.#devices = new Map(devices.map((device) => [device.unit, device]));
    this.#faults = faults;
    this.#random = random;
  }

  get port(): number {
    return this.#port;
  }

  /** @throws SluiceError `listen-failed` */
  async start(): Promise<void> {
    this.#wanted = true;
    await this.#listen();
    this.#faults.onChange(() => {
      this.#turn = this.#turn.then(() => this.#follow());
    });
  }

  async stop(): Promise<void> {
    this.#wanted = false;
    await this.#turn;
    await this.#close();
  }

  /** Goes down and comes back as the board says. */
  async #follow(): Promise<void> {
    const up = this.#wanted && this.#faults.bus(this.bus).down !== true;
    if (up && this.#server === undefined) await this.#listen().catch(() => {});
    else if (!up && this.#server !== undefined) await this.#close();
  }

  async #listen(): Promise<void> {
    const server = createServer((socket) => this.#serve(socket));
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(this.#port, this.host, resolve);
      });
    } catch (cause) {
      throw listenError(this.host, this.#port, cause as NodeJS.ErrnoException);
    }
    const address = server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
    this.#server = server;
  }

  async #close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    const closed = new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (data: Buffer) => {
      rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
      while (rest.length >= HEADER) {
        const length = rest.readUInt16BE(4);
        if (rest.readUInt16BE(2) !== 0 || length < 2 || length > MAX_LENGTH) {
          socket.destroy();
          return;
        }
        if (rest.length < 6 + length) return;
        this.#answer(socket, rest.subarray(0, 6 + length));
        rest = rest.subarray(6 + length);
      }
    });
  }

  #answer(socket: Socket, request: Buffer): void {
    const unit = request[6] ?? 0;
    const pdu = request.subarray(HEADER);
    const device = this.#devices.get(unit);
    if (device === undefined) {
      this.#send(socket, request, exceptionReply(pdu[0] ?? 0, NO_DEVICE), 0);
      return;
    }
    const { silent, exception, late = 0 } = this.#faults.device(device.name);
    if (silent) return;
    this.#send(socket, request, exception === undefined ? device.answer(pdu) : exceptionReply(pdu[0] ?? 0, exception), late);
  }

  #send(socket: Socket, request: Buffer, pdu: Uint8Array, late: number): void {
    const reply = Buffer.alloc(HEADER + pdu.length);
    request.copy(reply, 0, 0, 4);
    reply.writeUInt16BE(pdu.length + 1, 4);
    reply[6] = request[6] ?? 0;
    reply.set(pdu, HEADER);
    if (this.#random() < (this.#faults.bus(this.bus).garbage ?? 0))
      for (let i = 0; i < reply.length; i++) reply[i] = Math.floor(this.#random() * 256);
    if (late === 0) {
      socket.write(reply);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!socket.destroyed) socket.write(reply);
    }, late);
    this.#timers.add(timer);
  }
}

export function listenError(host: string, port: number, cause: NodeJS.ErrnoException): SluiceError {
  const why =
    cause.code === 'EACCES'
      ? 'ports below 1024 need root; give the bus another port'
      : cause.code === 'EADDRINUSE'
        ? 'another program listens there'
        : cause.code === 'EADDRNOTAVAIL'
          ? 'this machine does not have that address; give one of its own with --listen'
          : cause.message;
  return new SluiceError('listen-failed', `cannot listen on ${host}:${port}: ${why}`, { cause });
}
