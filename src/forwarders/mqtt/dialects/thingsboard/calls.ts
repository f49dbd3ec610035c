/** Remote calls of ThingsBoard as commands of the contract. Everything here comes from outside. */
import { createHash } from 'node:crypto';

/** The least that an answer needs. */
export interface Call {
  readonly device: string;
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}

/** Commands have at most so many bytes. */
const MOST_BYTES = 8192;

/** @returns undefined: it is no call, and nobody could be answered */
export function callOf(payload: Uint8Array): Call | undefined {
  if (payload.length > MOST_BYTES) return undefined;
  let message: unknown;
  try {
    message = JSON.parse(Buffer.from(payload).toString());
  } catch {
    return undefined;
  }
  if (typeof message !== 'object' || message === null) return undefined;
  const { device, data } = message as { device?: unknown; data?: unknown };
  if (typeof device !== 'string' || device === '' || typeof data !== 'object' || data === null) return undefined;
  const { id, method, params } = data as { id?: unknown; method?: unknown; params?: unknown };
  if (!Number.isSafeInteger(id) || typeof method !== 'string') return undefined;
  return { device, id: id as number, method, params };
}

/**
 * `write` {point, value}, `set:<point>` value, `read`, `ack` {rule, occurrence?}, `shelve` {rule, for?, reason?}, `reset`
 * {rule, occurrence?}, `out-of-service` {rule, reason, for?}, `in-service` {rule}. What is none of
 * them stays what it is, and the command desk refuses it in words.
 * @param life of the connection: the platform begins to count anew with each
 */
export function commandOf({ device, id, method, params }: Call, life: string): Readonly<Record<string, unknown>> {
  const mark = createHash('sha256').update(device).digest('hex').slice(0, 12);
  const head = { id: `${life}.${id}.${mark}` };
  const given = (typeof params === 'object' && params !== null ? params : {}) as Record<string, unknown>;
  const [, setPoint] = /^set:(.+)$/.exec(method) ?? [];
  if (setPoint !== undefined) return { ...head, do: 'write', target: `${device}.${setPoint}`, value: params };
  switch (method) {
    case 'write':
      // An object may be one of which no text can be made.
      return {
        ...head,
        do: 'write',
        target: typeof given.point === 'string' ? `${device}.${given.point}` : null,
        value: given.value,
      };
    case 'read':
      return { ...head, do: 'read', target: device };
    case 'ack':
    case 'shelve':
    case 'reset':
    case 'out-of-service':
    case 'in-service': {
      const { rule, ...rest } = given;
      return { ...rest, ...head, do: method, target: rule };
    }
    default:
      return { ...head, do: method, target: device };
  }
}
