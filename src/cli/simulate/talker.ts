/** A serial instrument that talks by itself at its interval, or that answers its request. */
import { encodeFrames } from '../../codecs/serial/encode.ts';
import type { ResolvedDevice } from '../../config/kinds.ts';
import type { Value } from '../../core/point.ts';
import { requestBytes, talkerConfig } from '../../drivers/serial/kind.ts';
import type { SerialDeviceSettings } from '../../drivers/serial/schema.ts';
import type { FaultBoard } from './faults.ts';
import type { Line } from './line.ts';
import type { ValueNow } from './modbus-device.ts';

/** Instruments that talk by themselves mostly do so once a second; the `interval` of a device is what is kept of it. */
const TALK_MS = 1000;

export class SimulatedTalker {
  readonly bus: string;
  readonly device: ResolvedDevice;
  readonly #line: Line;
  readonly #faults: FaultBoard;
  readonly #random: () => number;
  readonly #valueNow: ValueNow;
  readonly #wall: () => number;
  #timer: NodeJS.Timeout | undefined;
  readonly #answers = new Set<NodeJS.Timeout>();
  /** What it waits for; undefined: it talks by itself. */
  readonly #request: Buffer | undefined;
  /** The end of what came: as much as a request has at most. */
  #heard: Buffer = Buffer.alloc(0);

  constructor(
    device: ResolvedDevice,
    line: Line,
    faults: FaultBoard,
    context: { random: () => number; valueNow: ValueNow; wall: () => number },
  ) {
    this.bus = device.bus;
    this.device = device;
    this.#line = line;
    this.#faults = faults;
    this.#random = context.random;
    this.#valueNow = context.valueNow;
    this.#wall = context.wall;
    const { request } = device.settings as SerialDeviceSettings;
    this.#request = request && Buffer.from(requestBytes(request));
  }

  async start(): Promise<void> {
    // Asked once before the port is there: a format that cannot be spoken is reported at the start.
    this.#frames();
    const request = this.#request;
    await this.#line.open((data) => {
      if (request !== undefined) this.#hear(data, request);
    });
    if (request === undefined)
      this.#timer = setInterval(() => this.#talk(), Math.min(TALK_MS, Number(this.device.settings.interval ?? TALK_MS)));
  }

  stop(): Promise<void> {
    clearInterval(this.#timer);
    for (const answer of this.#answers) clearTimeout(answer);
    return this.#line.close();
  }

  #frames(): Uint8Array[] {
    const config = talkerConfig(this.device);
    const values = new Map<string, Value>();
    for (const name of config.points.keys()) values.set(name, this.#valueNow(this.device.name, name));
    return encodeFrames(config, values, this.#wall());
  }

  #hear(data: Buffer, request: Buffer): void {
    this.#heard = Buffer.concat([this.#heard, data]);
    for (let at = this.#heard.indexOf(request); at >= 0; at = this.#heard.indexOf(request)) {
      this.#heard = this.#heard.subarray(at + request.length);
      const { late = 0 } = this.#faults.device(this.device.name);
      const answer = setTimeout(() => {
        this.#answers.delete(answer);
        this.#talk();
      }, late);
      this.#answers.add(answer);
    }
    this.#heard = this.#heard.subarray(-request.length);
  }

  #talk(): void {
    const { silent, crc = 0 } = this.#faults.device(this.device.name);
    const bus = this.#faults.bus(this.bus);
    if (silent || bus.down) return;
    for (const frame of this.#frames()) {
      if (this.#random() < (bus.garbage ?? 0))
        this.#line.write(Buffer.from(Array.from({ length: 1 + Math.floor(this.#random() * 20) }, () => this.#random() * 256)));
      const bytes = Uint8Array.from(frame);
      if (this.#random() < crc) {
        const at = Math.floor(this.#random() * bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(this.#random() * 8));
      }
      this.#line.write(bytes);
    }
  }
}
