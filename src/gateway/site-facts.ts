/** Facts about points and rules, from the configuration in force. The keys are those that all drivers share. */
import { type CounterSettings, totalName } from '../codecs/totals.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import type { NoticeMessage } from '../core/ports.ts';
import type { PointFacts, SiteFacts } from '../core/site-facts.ts';

/** The keys of a point of any driver that are read here. */
interface PointKeys {
  readonly type?: string;
  readonly scale?: number;
  readonly offset?: number;
  readonly scaleFactor?: string;
  readonly enum?: Readonly<Record<string, string>>;
  readonly counter?: CounterSettings;
  readonly write?: { readonly min?: number; readonly max?: number };
}

export function siteFacts(config: () => GatewayConfig, alarms: () => Iterable<NoticeMessage>): SiteFacts {
  return {
    alarms,
    // A rule that is only observed has no alarm to announce.
    rules: () =>
      config()
        .rules.values()
        .filter(({ observe }) => observe === undefined),
    counters: () => countersOf(config()),
    made: (device) => config().devices.get(device)?.made,
    point: (device, point) => {
      const points = config().devices.get(device)?.points;
      const keys = points?.get(point) as PointKeys | undefined;
      if (keys !== undefined) return factsOf(keys);
      const isTotal = [...(points ?? [])].some(
        ([name, { counter }]) => counter !== undefined && totalName(name, counter as CounterSettings) === point,
      );
      return isTotal ? { counts: true, plain: true } : undefined;
    },
  };
}

function* countersOf({ devices }: GatewayConfig): Generator<string> {
  for (const [device, { points }] of devices)
    for (const [point, { counter }] of points)
      if (counter !== undefined) yield* [`${device}.${point}`, `${device}.${totalName(point, counter as CounterSettings)}`];
}

function factsOf({ type = '', scale = 1, offset = 0, scaleFactor, enum: labels, counter, write }: PointKeys): PointFacts {
  const whole = /^(?:u?int|bcd)/.test(type) && scaleFactor === undefined;
  return {
    ...(labels === undefined ? {} : { labels: [...new Set(Object.values(labels))] }),
    ...(scale === 1 && offset === 0 && scaleFactor === undefined ? { plain: true as const } : {}),
    ...(counter === undefined ? {} : { counts: true }),
    ...(write === undefined
      ? {}
      : {
          write: {
            ...{ min: write.min, max: write.max },
            ...(whole ? { step: Math.abs(scale) } : {}),
            ...(labels === undefined ? {} : { labels: writableLabels(labels, write) }),
          },
        }),
  };
}

/** A label is of the first raw number that has it, as a write takes it. */
function writableLabels(
  labels: Readonly<Record<string, string>>,
  { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY },
): string[] {
  const first = new Map<string, number>();
  for (const [raw, label] of Object.entries(labels)) if (!first.has(label)) first.set(label, Number(raw));
  return [...first].flatMap(([label, raw]) => (raw >= min && raw <= max ? [label] : []));
}
