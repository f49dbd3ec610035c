/** Devices of one serial bus as a Modbus RTU server: finds requests in the bytes of the line and answers in its time. */
import { crc16 } from '../../codecs/serial/checksum.ts';
import type { FaultBoard } from './faults.ts';
import type { Line } from './line.ts';
import type { ModbusDevice } from './modbus-device.ts';
import { exceptionReply } from './modbus-device.ts';

/** A request that stops in the middle is given up after this silence; an operating system delays longer than 3.5 characters. */
const GAP_MS = 100;
/** RTU frames have at most 256 bytes; more in the buffer is noise that waits for the next frame. */
const MAX_BUFFER = 512;
const READ_REQUEST = 8;

export class RtuServer {
  readonly bus: string;
  readonly #line: Line;
  readonly #devices: ReadonlyMap<number, ModbusDevice>;
  readonly #faults: FaultBoard;
  readonly #random: () => number;
  readonly #timers = new Set<NodeJS.Timeout>();
  #buffer: Buffer = Buffer.alloc(0);
  #last = 0;

  constructor(bus: string, line: Line, devices: readonly ModbusDevice[], faults: FaultBoard, random: () => number) {
    this.bus = bus;
    this.#line = line;
    this.#devices = new Map(devices.map((device) => [device.unit, device]));
    this.#faults = faults;
    this.#random = random;
  }

  start(): Promise<void> {
    return this.#line.open((data) => this.#take(data));
  }

  stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    return this.#line.close();
  }

  #take(data: Buffer): void {
    const now = performance.now();
    if (now - this.#last > GAP_MS) this.#buffer = Buffer.alloc(0);
    this.#last = now;
    this.#buffer = Buffer.concat([this.#buffer, data]).subarray(-MAX_BUFFER);
    for (;;) {
      const found = this.#nextRequest();
      if (found === undefined) return;
      this.#answer(found);
    }
  }

  /** Skips what is no request: replies of others, noise. */
  #nextRequest(): Buffer | undefined {
    for (let at = 0; at < this.#buffer.length; at++) {
      const length = requestLength(this.#buffer, at);
      if (length === undefined || at + length > this.#buffer.length) continue;
      const frame = this.#buffer.subarray(at, at + length);
      if (crc16(frame, 0, length - 2) !== frame.readUInt16LE(length - 2)) continue;
      this.#buffer = this.#buffer.subarray(at + length);
      return frame;
    }
    return undefined;
  }

  #answer(frame: Buffer): void {
    const unit = frame[0] ?? 0;
    const device = this.#devices.get(unit);
    const bus = this.#faults.bus(this.bus);
    if (bus.down || device === undefined) return;
    const { silent, crc = 0, exception, late = 0 } = this.#faults.device(device.name);
    if (silent) return;
    const pdu = frame.subarray(1, -2);
    const body = exception === undefined ? device.answer(pdu) : exceptionReply(pdu[0] ?? 0, exception);
    let reply: Buffer = Buffer.alloc(body.length + 3);
    reply[0] = unit;
    reply.set(body, 1);
    reply.writeUInt16LE(crc16(reply, 0, body.length + 1), body.length + 1);
    if (this.#random() < crc) {
      const at = Math.floor(this.#random() * reply.length);
      reply[at] = (reply[at] ?? 0) ^ (1 << Math.floor(this.#random() * 8));
    }
    if (this.#random() < (bus.garbage ?? 0)) {
      const noise = Buffer.from(Array.from({ length: 1 + Math.floor(this.#random() * 12) }, () => this.#random() * 256));
      // Half of the time it destroys the reply, else it stands before it.
      reply = this.#random() < 0.5 ? noise : Buffer.concat([noise, reply]);
    }
    if (late === 0) this.#line.write(reply);
    else {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#line.write(reply);
      }, late);
      this.#timers.add(timer);
    }
  }
}

/** undefined: no request that we know begins here, or not enough of it is there to tell. */
function requestLength(buffer: Buffer, at: number): number | undefined {
  const code = buffer[at + 1];
  if (code === undefined) return undefined;
  if (code >= 1 && code <= 6) return READ_REQUEST;
  if (code === 15 || code === 16) {
    const bytes = buffer[at + 6];
    return bytes === undefined ? undefined : 9 + bytes;
  }
  return undefined;
}
