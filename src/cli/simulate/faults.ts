/** Faults on request: which device or bus misbehaves now, and how. Changed while it runs. */
import { SluiceError } from '../../core/errors.ts';
import { parseDuration } from '../../core/units.ts';

export const FAULT_WORDS = `silent:DEVICE  crc:DEVICE:10%  exception:DEVICE[:CODE]  late:DEVICE:300ms  garbage:BUS[:10%]  down:BUS`;

/** What a device does; all that is not undefined happens. */
export interface DeviceFaults {
  /** It neither answers nor talks. */
  readonly silent?: boolean | undefined;
  /** Part (0..1) of its frames whose checksum is wrong. */
  readonly crc?: number | undefined;
  /** Modbus exception code that answers every request. */
  readonly exception?: number | undefined;
  /** Milliseconds that it answers too late. */
  readonly late?: number | undefined;
}
export interface BusFaults {
  /** Part (0..1) of the frames that noise joins or replaces. */
  readonly garbage?: number | undefined;
  /** Network: nobody listens, connections are cut. Serial line: nothing comes through. */
  readonly down?: boolean | undefined;
}

/** Names that a fault may be given for, with what is possible there. */
export interface Targets {
  readonly devices: ReadonlyMap<string, 'tcp' | 'rtu' | 'talker' | 'asked'>;
  readonly buses: ReadonlySet<string>;
}

type Key = keyof DeviceFaults | keyof BusFaults;
const OF_DEVICE = ['silent', 'crc', 'exception', 'late'] as const;
const OF_BUS = ['garbage', 'down'] as const;

export class FaultBoard {
  readonly #targets: Targets;
  readonly #devices = new Map<string, DeviceFaults>();
  readonly #buses = new Map<string, BusFaults>();
  readonly #watchers: (() => void)[] = [];

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  device(name: string): DeviceFaults {
    return this.#devices.get(name) ?? {};
  }
  bus(name: string): BusFaults {
    return this.#buses.get(name) ?? {};
  }
  /** Called after each change. */
  onChange(watcher: () => void): void {
    this.#watchers.push(watcher);
  }

  /** `crc:fridge:10%`, as options are written. @throws SluiceError `usage` */
  addOption(text: string): void {
    const [kind = '', target = '', ...rest] = text.split(':');
    this.set(kind, target, rest.join(':') || 'on');
  }

  /** @param amount `on`, `off`, or the amount of the fault: `10%`, `300ms`, an exception code. @throws SluiceError `usage` */
  set(kind: string, target: string, amount: string): void {
    const key = [...OF_DEVICE, ...OF_BUS].find((k) => k === kind);
    if (key === undefined)
      throw new SluiceError('usage', `there is no fault ${JSON.stringify(kind)}; write one of: ${FAULT_WORDS}`);
    const value = amount === 'off' ? undefined : amountOf(key, amount);
    if (key === 'garbage' || key === 'down') {
      if (!this.#targets.buses.has(target))
        throw new SluiceError(
          'usage',
          `there is no bus ${target}; ${key} goes with one of: ${[...this.#targets.buses].join(', ')}`,
        );
      this.#buses.set(target, { ...this.bus(target), [key]: value });
    } else {
      const where = this.#targets.devices.get(target);
      if (where === undefined)
        throw new SluiceError(
          'usage',
          `there is no device ${target}; ${key} goes with one of: ${[...this.#targets.devices.keys()].join(', ')}`,
        );
      if (key === 'crc' && where === 'tcp')
        throw new SluiceError('usage', `${target} is on Modbus TCP, which has no checksum; use garbage with its bus`);
      if (where === 'talker' && (key === 'exception' || key === 'late'))
        throw new SluiceError('usage', `${target} talks by itself and is never asked; it can be silent or have crc faults`);
      if (where === 'asked' && key === 'exception')
        throw new SluiceError(
          'usage',
          `${target} does not speak Modbus, so it has no exceptions; it can be silent, late or have crc faults`,
        );
      this.#devices.set(target, { ...this.device(target), [key]: value });
    }
    for (const watcher of this.#watchers) watcher();
  }
}

function amountOf(key: Key, text: string): boolean | number {
  const wrong = (example: string) =>
    new SluiceError('usage', `${JSON.stringify(text)} is not an amount of ${key}; write for example ${example}`);
  switch (key) {
    case 'silent':
    case 'down':
      if (text !== 'on') throw wrong('on or off');
      return true;
    case 'crc':
    case 'garbage': {
      if (text === 'on') return 1;
      const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
      if (percent === undefined || Number(percent) > 100) throw wrong('10%');
      return Number(percent) / 100;
    }
    case 'exception': {
      const code = text === 'on' ? 4 : Number(text);
      if (!Number.isInteger(code) || code < 1 || code > 255) throw wrong('4');
      return code;
    }
    case 'late': {
      const ms = text === 'on' ? 300 : parseDuration(text);
      if (ms === undefined || ms > 60_000) throw wrong('300ms');
      return ms;
    }
  }
}
