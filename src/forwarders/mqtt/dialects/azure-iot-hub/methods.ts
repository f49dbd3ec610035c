/** Direct methods of Azure IoT Hub as commands of the contract. Everything here comes from outside. */
import { createHash } from 'node:crypto';

/** The hub allows 128 kB; a command has at most so many bytes. */
const MOST_BYTES = 8192;
/** Letters of the name of a method and of a request id that are looked at. */
const LONGEST = 128;
const METHOD = /^\$iothub\/methods\/POST\/([^/]+)\/\?\$rid=([^&#+\0]+)/;

export const METHODS = '$iothub/methods/POST/#';

export interface Method {
  readonly name: string;
  /** Names the call in the answer. */
  readonly request: string;
}

/** undefined: the topic is another one, and nobody waits for an answer. */
export function methodOf(topic: string): Method | undefined {
  const [, name = '', request = ''] = METHOD.exec(topic) ?? [];
  if (name === '' || name.length > LONGEST || request === '' || request.length > LONGEST) return undefined;
  return { name, request };
}

/**
 * The method is the `do` of a command, and its payload has the other keys. What is none stays what it is, and the command desk
 * refuses it in words.
 * @param life number of the connection: the hub may begin to count anew with each
 */
export function commandOf({ name, request }: Method, payload: Uint8Array, life: number): Readonly<Record<string, unknown>> {
  const id = `az-${life}.${createHash('sha256').update(request).digest('hex').slice(0, 16)}`;
  return { ...keysOf(payload), id, do: name };
}

function keysOf(payload: Uint8Array): Readonly<Record<string, unknown>> {
  if (payload.length === 0) return {};
  if (payload.length > MOST_BYTES) return { 'payload of more than 8 kB': true };
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(payload).toString());
  } catch {
    return { 'payload that is no JSON': true };
  }
  if (json === null) return {};
  return typeof json === 'object' && !Array.isArray(json) ? { ...json } : { 'payload that is no JSON object': true };
}

/** @param json the answer to the command @returns the status of the method, in the manner of HTTP */
export function statusOf(json: string): number {
  const { ok, code } = JSON.parse(json) as { ok?: unknown; code?: unknown };
  if (ok === true) return 200;
  switch (code) {
    case 'forbidden':
      return 403;
    case 'not-found':
      return 404;
    case 'conflict':
      return 409;
    case 'busy':
      return 429;
    case 'timeout':
      return 504;
    case 'internal':
    case 'outcome-unknown':
      return 500;
    default:
      return 400;
  }
}
