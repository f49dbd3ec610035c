/** Rules between the keys of a device that speaks MQTT, and between its topics and those of other devices. */
import type { Around, ResolvedDevice } from '../../config/kinds.ts';
import { toError } from '../../core/errors.ts';
import type { Value } from '../../core/point.ts';
import { isFilter, overlap } from '../../core/topic-filter.ts';
import { countedPoint, pointFaults } from '../serial/check.ts';
import { boundFaults, safeUseFaults, type WriteFault } from '../write-schema.ts';
import { MAX_FILTER, MAX_LEVELS } from './limits.ts';
import { messageOf, valueToWrite } from './outgoing.ts';
import { availabilityOf, filtersOf, inTopic, planOf, type Writable } from './plan.ts';
import type { MqttDeviceSettings, MqttPointSettings } from './schema.ts';

interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export function checkDevice(device: ResolvedDevice, around?: Around): Fault[] {
  const settings = device.settings as MqttDeviceSettings;
  const points = [...device.points] as [string, MqttPointSettings][];
  const decodeOf = (point: MqttPointSettings) => point.decode ?? settings.decode;
  const faults: Fault[] = [];
  const own = filterFault(settings.topic);
  if (own !== undefined) return [{ path: ['topic'], message: own }];
  const one = !Array.isArray(settings.availability);
  for (const [i, { topic }] of availabilityOf(settings).entries()) {
    const message = filterFault(topic);
    if (message !== undefined) faults.push({ path: ['availability', ...(one ? [] : [i]), 'topic'], message });
  }
  const counted = points.map(([name, point]) => countedPoint(name, point, decodeOf(point)));
  for (const [name, point] of points) {
    const at = (keys: readonly (string | number)[], message: string) => faults.push({ path: ['points', name, ...keys], message });
    for (const [i, filter] of filtersOf(point, settings).entries()) {
      const wrong = filterFault(filter);
      if (wrong !== undefined) at(['topic', ...(Array.isArray(point.topic) ? [i] : [])], wrong);
    }
    for (const [keys, message] of pointFaults(name, point, decodeOf(point), counted)) at(keys, message);
    const { write } = point;
    if (write === undefined) continue;
    const topic = inTopic(write.topic, settings.topic);
    const wrong =
      filterFault(topic) ?? (/[+#]/.test(topic) ? 'a message goes to one topic; write it without + and #' : undefined);
    if (wrong !== undefined) at(['write', 'topic'], wrong);
    else {
      const writable = planOf(device).writable.get(name);
      if (writable !== undefined) for (const [keys, message] of writeFaults(writable, around)) at(['write', ...keys], message);
    }
  }
  return faults;
}

function* writeFaults(writable: Writable, around: Around | undefined): Generator<WriteFault> {
  const { point, write, json } = writable;
  const number = point.enum === undefined && (point.type === 'float64' || point.type === 'int64');
  const wrong = [...boundFaults(write, number ? 'number' : point.enum === undefined ? 'other' : 'label')];
  yield* wrong;
  if (write.payload !== undefined && !write.payload.includes('{value}'))
    yield [['payload'], 'the message has no place for the value; write {value} where it belongs'];
  else if (write.payload === undefined && !json && point.from !== undefined)
    yield [[], 'the form of the message is not known; write payload: with {value} where the value belongs'];
  for (const key of ['on', 'off'] as const)
    if (write[key] !== undefined && (point.type !== 'bool' || point.enum !== undefined))
      yield [[key], `\`${key}\` is for a bool`];
  if (write.safe === undefined || wrong.length > 0) return;
  try {
    messageOf(writable, valueToWrite(writable, write.safe.value));
  } catch (thrown) {
    yield [['safe', 'value'], toError(thrown).message];
  }
  yield* safeUseFaults(write, around);
}

/** Why the gateway cannot listen to this topic, in words. */
function filterFault(filter: string): string | undefined {
  if (!isFilter(filter, MAX_FILTER, MAX_LEVELS))
    return `${filter.slice(0, 80)} is not a topic: + and # stand alone between slashes, # at the end only; at most ${MAX_LEVELS} levels and ${MAX_FILTER} characters`;
  if (/[\p{Cc}\p{Cs}\ufffe\uffff]/u.test(filter)) return 'a topic has no control characters';
  if (filter.startsWith('$')) return 'topics with $ are those of the broker itself';
  if (overlap(filter, 'sluice/#'))
    return `${filter.slice(0, 80)} has topics under sluice/, where only the gateway publishes; write the topic of the device`;
  return undefined;
}

/** Topics that two devices would both read. What reports their availability they may share. */
export function besideFaults(device: ResolvedDevice, others: readonly ResolvedDevice[]): Fault[] {
  for (const [name, point] of device.points as ReadonlyMap<string, MqttPointSettings>)
    for (const filter of filtersOf(point, device.settings as MqttDeviceSettings))
      for (const other of others)
        for (const [otherName, otherPoint] of other.points as ReadonlyMap<string, MqttPointSettings>)
          for (const theirs of filtersOf(otherPoint, other.settings as MqttDeviceSettings)) {
            if (!overlap(filter, theirs)) continue;
            const where = (point.topic as unknown) === '{topic}' ? ['topic'] : ['points', name, 'topic'];
            const same = filter === theirs ? filter : `${filter} and ${theirs}`;
            return [
              {
                path: where,
                message: `${other.name}.${otherName} reads ${same === filter ? 'the same topic' : 'some of the same topics'} (${same}); a topic belongs to one device`,
              },
            ];
          }
  return [];
}

/** @returns why a value may not be written to a point, in words */
export function valueFault(device: ResolvedDevice, point: string, value: Value): string | undefined {
  const writable = planOf(device).writable.get(point);
  if (writable === undefined) return 'it may not be written';
  try {
    messageOf(writable, valueToWrite(writable, value));
    return undefined;
  } catch (thrown) {
    return toError(thrown).message;
  }
}
