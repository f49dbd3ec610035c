/** A bus of derived points, from the text of a configuration, with the samples of other devices that a test gives. */
import { loadConfigText } from '../../src/config/load.ts';
import type { DerivedMemory, Instant } from '../../src/core/derived-points.ts';
import { silentLogger } from '../../src/core/logger.ts';
import { type Sample, type Shape, storageOf, type Value } from '../../src/core/point.ts';
import type { Bus, DeviceStatus } from '../../src/core/ports.ts';
import { ABSENT, GOOD, type ReasonName, reasonCode, reasonName } from '../../src/core/reasons.ts';
import { DerivedHub } from '../../src/drivers/derived/hub.ts';
import { derivedDriver } from '../../src/drivers/derived/kind.ts';
import { kinds } from '../../src/gateway/registry.ts';
import { numberExpressions } from '../../src/rules/expression/number.ts';
import { ManualClock } from './manual-clock.ts';

/** `{reason}`: a bad or uncertain reading; undefined: absent. */
export type Given = Value | { readonly reason: ReasonName; readonly value?: Value } | undefined;

export interface DerivedBench {
  readonly clock: ManualClock;
  readonly bus: Bus;
  readonly samples: Sample[];
  /** UTC ms minus monotonic ms, and whether that is known. */
  readonly wall: { offset: number; known: boolean };
  readonly memory: MemoryBench;
  /** A sample of a device whose points are in the configuration. @param at monotonic ms, default now */
  give(device: string, values: Readonly<Record<string, Given>>, at?: number): void;
  clockChanged(): void;
  /** `device.point=value`, `device.point!reason` or `device.point=value?reason`, one text a sample, since the last call. */
  told(): string[];
  device(name: string): DeviceStatus;
}

export class MemoryBench implements DerivedMemory {
  readonly kept = new Map<string, { state: unknown; at?: number | undefined }>();
  readonly newer = new Map<string, number>();
  saves = 0;

  load(device: string): { state: unknown; at?: number | undefined } | undefined {
    return this.kept.get(device);
  }
  logged(device: string, point: string): number | undefined {
    return this.newer.get(`${device}.${point}`);
  }
  save(device: string, state: object, at: number): void {
    this.saves++;
    this.kept.set(device, { state: JSON.parse(JSON.stringify(state)), at });
  }
  /** The process ended: monotonic times mean nothing any more. */
  ended(): this {
    for (const [device, { state }] of this.kept) this.kept.set(device, { state });
    return this;
  }
}

export interface DerivedBenchOptions {
  readonly started?: boolean;
  readonly memory?: MemoryBench;
  readonly clock?: ManualClock;
  readonly wall?: { offset: number; known: boolean };
}

/** @param sources `device.point` of other devices, with their units @param devices the entries of `devices:` on the bus `sums` */
export function derivedBench(
  sources: Readonly<Record<string, string>>,
  devices: string,
  {
    started = true,
    memory = new MemoryBench(),
    clock = new ManualClock(),
    wall = { offset: 0, known: true },
  }: DerivedBenchOptions = {},
): DerivedBench {
  const { config, faults } = loadConfigText(derivedText(sources, devices), '/tmp/gateway.yaml', kinds, { profileDirs: [] });
  if (config === undefined) throw new Error(faults.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  const hub = new DerivedHub((): Instant => ({ at: clock.monotonic(), ...wall }));
  const samples: Sample[] = [];
  const bus = derivedDriver(numberExpressions).create(
    config.buses.get('sums') as never,
    [...config.devices.values()].filter((device) => device.bus === 'sums'),
    {
      ...{ clock, logger: silentLogger, feed: hub, derived: memory },
      emit: (sample) => {
        samples.push(sample);
        // As the pipeline does it.
        hub.sample(sample);
      },
    },
  );
  if (started) bus.start();
  const shapes = new Map<string, Shape>();
  for (const [name, unit] of Object.entries(sources)) {
    const [device = '', point = ''] = name.split('.');
    const before = shapes.get(device)?.points ?? [];
    const type = unit.startsWith('int64 ') ? 'int64' : 'float64';
    const info = { name: point, type, storage: storageOf(type, false), unit: unit.replace('int64 ', '') || undefined } as const;
    shapes.set(device, { device, points: [...before, info] });
  }
  let shown = 0;
  return {
    ...{ clock, bus, samples, wall, memory },
    give: (device, values, at = clock.monotonic()) => {
      const shape = shapes.get(device);
      if (shape === undefined) throw new Error(`no device ${device}`);
      const given = shape.points.map(({ name }) => values[name]);
      const reasons = Uint8Array.from(given, (one) =>
        one === undefined ? ABSENT : typeof one === 'object' ? reasonCode(one.reason) : GOOD,
      );
      hub.sample({ shape, at, values: given.map((one) => (typeof one === 'object' ? (one.value ?? 0) : (one ?? 0))), reasons });
    },
    clockChanged: () => hub.clockChanged(),
    told: () => {
      const news = samples.slice(shown).map(sampleWords);
      shown = samples.length;
      return news;
    },
    device: (name) => {
      const found = bus.status().devices.find((one) => one.name === name);
      if (found === undefined) throw new Error('no such device');
      return found;
    },
  };
}

/** The configuration as text. */
export function derivedText(sources: Readonly<Record<string, string>>, devices: string): string {
  const byDevice = new Map<string, string[]>();
  for (const [name, unit] of Object.entries(sources)) {
    const [device = '', point = ''] = name.split('.');
    const [, type = 'float64', code = ''] = /^(?:(int64|string|bool) )?(.*)$/.exec(unit) ?? [];
    const written = code === '' ? '' : `, unit: '${code.replaceAll("'", "''")}'`;
    byDevice.set(device, [...(byDevice.get(device) ?? []), `      ${point}: {type: ${type}${written}}`]);
  }
  const others = Array.from(byDevice, ([device, points]) => `  ${device}:\n    bus: plant\n    points:\n${points.join('\n')}`);
  return [
    'gateway: {id: g}',
    'nodeRed: {enabled: true}',
    'buses:\n  plant: {protocol: flows}\n  sums: {protocol: derived}',
    'devices:',
    ...others,
    devices,
    '',
  ].join('\n');
}

export function sampleWords({ shape, values, reasons }: Sample): string {
  return shape.points
    .flatMap(({ name }, i) => {
      const reason = reasons?.[i] ?? GOOD;
      if (reason === ABSENT) return [];
      if (reason !== GOOD && reason < 128) return [`${shape.device}.${name}!${reasonName(reason)}`];
      return [`${shape.device}.${name}=${values[i]}${reason === GOOD ? '' : `?${reasonName(reason)}`}`];
    })
    .join(' ');
}
