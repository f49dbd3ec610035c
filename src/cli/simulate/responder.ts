/** The devices of one Modbus bus behind one wire: what they answer, with the faults that were asked for. */
import type { FaultBoard } from './faults.ts';
import type { Frames, Request } from './frames.ts';
import type { ModbusDevice } from './modbus-device.ts';
import { exceptionReply } from './modbus-device.ts';

/** The exception of a gateway whose device is not there: GATEWAY TARGET DEVICE FAILED TO RESPOND. */
const NO_DEVICE = 11;
/** A request that stops in the middle is given up after this silence: a busy machine hands pieces of a frame over later than 3.5 characters, by far. */
const GAP_MS = 1000;
/** The longest frame is one of Modbus ASCII, 513 characters; more in the buffer is noise that waits for the next one. */
const MAX_BUFFER = 1024;

export type Way = 'network' | 'line';

export class Responder {
  readonly bus: string;
  readonly #frames: Frames;
  /** A network says that a device is not there; a line says nothing. Noise on a line joins a frame, on a network it replaces it. */
  readonly #way: Way;
  /** Frames have a checksum that can be wrong. */
  readonly #checked: boolean;
  readonly #devices: ReadonlyMap<number, ModbusDevice>;
  readonly #faults: FaultBoard;
  readonly #random: () => number;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(
    bus: string,
    wire: { readonly frames: Frames; readonly way: Way; readonly checked: boolean },
    devices: readonly ModbusDevice[],
    faults: FaultBoard,
    random: () => number,
  ) {
    this.bus = bus;
    this.#frames = wire.frames;
    this.#way = wire.way;
    this.#checked = wire.checked;
    this.#devices = new Map(devices.map((device) => [device.unitId, device]));
    this.#faults = faults;
    this.#random = random;
  }

  /** Replies that are late do not come any more. */
  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** A stream of its own for each connection. @returns what takes its bytes; false: it cannot be followed any more */
  stream(write: (bytes: Uint8Array) => void): (data: Buffer) => boolean {
    let buffer: Buffer = Buffer.alloc(0);
    let last = 0;
    return (data) => {
      const now = performance.now();
      if (this.#checked && now - last > GAP_MS) buffer = Buffer.alloc(0);
      last = now;
      buffer = Buffer.concat([buffer, data]).subarray(-MAX_BUFFER);
      for (;;) {
        const next = this.#frames.next(buffer);
        if (next === 'broken') return false;
        if (next === undefined) return true;
        buffer = next.rest;
        this.#answer(next.request, write);
      }
    };
  }

  #answer(request: Request, write: (bytes: Uint8Array) => void): void {
    const bus = this.#faults.bus(this.bus);
    if (bus.down) return;
    const [code = 0] = request.pdu;
    const device = this.#devices.get(request.unitId);
    if (device === undefined) {
      if (this.#way === 'network' && !this.#checked) write(this.#frames.encode(request, exceptionReply(code, NO_DEVICE)));
      return;
    }
    const { silent, crc = 0, exception, late = 0 } = this.#faults.device(device.name);
    if (silent) return;
    const pdu = exception === undefined ? device.answer(request.pdu) : exceptionReply(code, exception);
    const reply = this.#spoil(this.#frames.encode(request, pdu), this.#checked ? crc : 0, bus.garbage ?? 0);
    if (late === 0) {
      write(reply);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      write(reply);
    }, late);
    this.#timers.add(timer);
  }

  #spoil(reply: Buffer, crc: number, garbage: number): Buffer {
    if (this.#random() < crc) {
      const at = Math.floor(this.#random() * reply.length);
      reply[at] = (reply[at] ?? 0) ^ (1 << Math.floor(this.#random() * 8));
    }
    if (this.#random() >= garbage) return reply;
    const noise = (length: number) => Buffer.from(Array.from({ length }, () => this.#random() * 256));
    if (this.#way === 'network' && !this.#checked) return noise(reply.length);
    const some = noise(1 + Math.floor(this.#random() * 12));
    // Half of the time it destroys the reply, else it stands before it.
    return this.#random() < 0.5 ? some : Buffer.concat([some, reply]);
  }
}
