/** The body of a request by hand, checked: what is not a reading is refused here, before anything is made of it. */
import { TABLES } from '../codecs/modbus-point.ts';
import { HttpError } from './respond.ts';
import type { ExchangeQuery, LookRequest } from './wire-target.ts';

type Body = Readonly<Record<string, unknown>>;

const MAX_TIMEOUT = 60_000;

export function exchangeQuery(body: Body): ExchangeQuery {
  const { bus, request, quiet } = body;
  if (typeof bus !== 'string' || bus === '' || bus.length > 200) throw invalid('the body needs "bus", the name of a bus');
  if (typeof request !== 'object' || request === null) throw invalid('the body needs "request"');
  return {
    ...{ bus, unit: whole(body, 'unit', 0, 255), request: lookRequest(request as Body) },
    ...(body.timeout === undefined ? {} : { timeout: whole(body, 'timeout', 10, MAX_TIMEOUT) }),
    quiet: quiet === true,
  };
}

function lookRequest(request: Body): LookRequest {
  const { kind, table } = request;
  if (kind === 'identify') {
    const code = whole(request, 'code', 1, 4) as 1 | 2 | 3 | 4;
    return { kind, code, object: whole(request, 'object', 0, 255) };
  }
  if (kind !== 'read') throw invalid('only "read" and "identify" can be asked for with a command');
  const known = TABLES.find((t) => t === table);
  if (known === undefined) throw invalid(`"table" is one of ${TABLES.join(', ')}`);
  return { kind, table: known, start: whole(request, 'start', 0, 65_535), count: whole(request, 'count', 1, 2000) };
}

function whole(body: Body, key: string, min: number, max: number): number {
  const value = body[key];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw invalid(`"${key}" is a whole number from ${min} to ${max}`);
  return value;
}

function invalid(message: string): HttpError {
  return new HttpError(400, 'request-invalid', message);
}
