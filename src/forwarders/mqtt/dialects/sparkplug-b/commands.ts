/** NCMD and DCMD as commands of the contract. Everything here comes from outside. */
import { DATA_TYPES } from '../../../../codecs/sparkplug.ts';
import { type Heard, hear, heardValue } from '../../../../codecs/sparkplug-heard.ts';
import type { Value } from '../../../../core/point.ts';
import { REBIRTH } from './births.ts';
import type { Metrics, Slot } from './metrics.ts';

/** Bytes of a message; less than a connection takes. */
const MOST_BYTES = 32 * 1024;
/** Writes of one message. */
const MOST_WRITES = 64;

export type Order =
  | { readonly do: 'write'; readonly target: string; readonly value: string | number | boolean | null }
  | { readonly do: 'ack'; readonly target: string };

/** @throws RangeError, TypeError: it is no payload */
function heardIn(payload: Uint8Array): Heard[] {
  if (payload.length > MOST_BYTES) throw new RangeError(`it has more than ${MOST_BYTES} bytes`);
  return hear(payload);
}

/** What an NCMD asks for. @throws RangeError, TypeError: it is no payload */
export function nodeOrders(
  payload: Uint8Array,
  ruleOf: (heard: Heard) => string | undefined,
): { rebirth: boolean; orders: Order[] } {
  let rebirth = false;
  const orders: Order[] = [];
  for (const heard of heardIn(payload)) {
    if (heard.isNull || heard.value === undefined || !('boolean' in heard.value) || !heard.value.boolean) continue;
    if (heard.name === REBIRTH) rebirth = true;
    const rule = ruleOf(heard);
    if (rule !== undefined && orders.length < MOST_WRITES) orders.push({ do: 'ack', target: rule });
  }
  return { rebirth, orders };
}

/**
 * What a DCMD asks for, in its order. A name that is not known is asked for as well: the refusal then says the same for all.
 * @throws RangeError, TypeError: it is no payload, or asks for too much
 */
export function deviceOrders(device: string, payload: Uint8Array, metrics: Metrics): Order[] {
  const heard = heardIn(payload);
  if (heard.length > MOST_WRITES) throw new RangeError(`it has more than ${MOST_WRITES} metrics`);
  return heard.flatMap((one): Order[] => {
    const slot = slotOf(device, one, metrics);
    const point = slot?.point ?? one.name;
    if (point === undefined) return [];
    return [{ do: 'write', target: `${device}.${point}`, value: asked(one, slot) }];
  });
}

/** A metric of another device is none of this one. */
function slotOf(device: string, { name, alias }: Heard, metrics: Metrics): Slot | undefined {
  if (name !== undefined) return metrics.slot(device, name);
  const slot = alias === undefined ? undefined : metrics.withAlias(alias);
  return slot?.device === device ? slot : undefined;
}

/** null: a value that the type cannot have, which the command desk refuses in words. */
function asked(heard: Heard, slot: Slot | undefined): string | number | boolean | null {
  const value = heardValue(heard, heard.datatype ?? slot?.type ?? guess(heard)) ?? heardValue(heard, guess(heard));
  return plain(value);
}
function plain(value: Value | undefined): string | number | boolean | null {
  if (value === undefined) return null;
  return typeof value === 'bigint' ? String(value) : value;
}
/** The type of a value whose metric says none that fits: a host may leave it out, or send whole numbers for a Double. */
function guess({ value }: Heard): number {
  if (value === undefined) return 0;
  if ('number' in value) return DATA_TYPES.Double;
  if ('boolean' in value) return DATA_TYPES.Boolean;
  return 'text' in value ? DATA_TYPES.String : DATA_TYPES.Int64;
}
