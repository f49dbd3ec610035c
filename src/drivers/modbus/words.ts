/** Faults in the words of the person who has to mend them: which wire, which register, which setting. */
import { SluiceError } from '../../core/errors.ts';
import type { ReasonName } from '../../core/reasons.ts';
import { formatDuration } from '../../core/units.ts';
import type { ReadRequest } from './plan.ts';

export interface Wire {
  readonly serial: boolean;
  /** `/dev/ttyUSB0 at 9600 baud, parity none` or `10.0.0.5:502`. */
  readonly label: string;
}

/** MODBUS Application Protocol V1.1b3, section 7. */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  1: 'it does not know this function: try another table (holding, input, coil, discrete)',
  2: 'it does not have one of these addresses. Check them (40001 of a manual is holding 0). If some are missing in the device, list them in limits.gaps, or set limits.maxGap to 0',
  3: 'it refuses this many at once: set limits.maxRegisters lower',
  4: 'it failed while reading: look at the device itself',
  5: 'it needs more time: raise the interval',
  6: 'it is busy: raise the interval',
  8: 'its memory has a parity error: look at the device itself',
  10: 'the gateway has no path to this unit: check the unit and the settings of the gateway',
  11: 'the gateway got no answer from this unit: check the wires, power and unit behind the gateway',
};

/** The same codes when a value was to be written (sections 6.5, 6.6, 6.11, 6.12 and 7). */
const WRITE_EXCEPTIONS: Readonly<Record<number, string>> = {
  1: 'it does not know this function: set limits.writeMultiple, or the point can only be read',
  2: 'it has nothing to write at this address: check the address (40001 of a manual is holding 0) and that the manual allows writing it',
  3: 'it does not take this value: see the limits in its manual, and set `write:` to them',
  4: 'it failed while writing: it may be locked, in local operation or in the wrong state; see its manual',
  5: 'it accepted the value and needs time: read the point later',
  6: 'it is busy: try again later',
};

/** Words for the refusal of a write or of the readings that belong to it. */
export function refusalWords(error: SluiceError): string {
  const n = Number(error.data.exception);
  return `the device answers with exception ${n}: ${WRITE_EXCEPTIONS[n] ?? EXCEPTIONS[n] ?? 'see its manual'}`;
}

export function exceptionWords(code: number): string {
  return EXCEPTIONS[code] ?? 'see its manual';
}

/** Registers from which on a refusal may mean their number: devices bear 8 to 125 at once. */
const MANY = 8;

/** Some devices refuse too many registers as if they did not have them. @param request in words: `holding 0 to 124` */
function manyWords(request: string): string {
  const [, from, to] = /^(?:holding|input) (\d+) to (\d+)$/.exec(request) ?? [];
  const count = to === undefined ? 0 : Number(to) - Number(from) + 1;
  return count <= MANY
    ? ''
    : `; it may also refuse ${count} registers at once: if \`sluice read\` gets fewer of them, set limits.maxRegisters to ${Math.floor(count / 2)}`;
}

/** The known answer time of the device. */
export interface Slowness {
  /** Replies that came after the time-out, of late. */
  readonly late: number;
  /** The time-out of the device, ms. */
  readonly timeout: number;
  /** It has answered in time before. */
  readonly answered: boolean;
}

/** The advice for a bus that is overloaded. @param silent devices that do not answer */
export function overloadAdvice(serial: boolean, silent: readonly string[]): string {
  const names = silent.length > 3 ? `${silent.slice(0, 3).join(', ')} and ${silent.length - 3} more` : silent.join(', ');
  const waiting =
    silent.length === 0
      ? ''
      : `${names} ${silent.length === 1 ? 'does' : 'do'} not answer, and waiting for that takes time: repair ${silent.length === 1 ? 'it' : 'them'} or shorten \`timeout\`. `;
  const less = serial
    ? 'Read less often (interval), raise the baud rate, or split the bus'
    : 'Read less often (interval), or allow more requests at the same time (inFlight) where the device accepts it';
  return `${waiting}${less}`;
}

export function requestLabel(request: ReadRequest): string {
  const last = request.start + request.count - 1;
  return last === request.start ? `${request.table} ${request.start}` : `${request.table} ${request.start} to ${last}`;
}

/** A fault for people: what is seen, and what to do about it. A fault that is over has no advice. */
export interface FaultWords {
  readonly symptom: string;
  readonly advice: string;
}

/** @param request in words: `holding 0 to 9`; @param slow what is known of its pace, where it is known */
export function faultWords(error: SluiceError, unitId: number, wire: Wire, request: string, slow?: Slowness): FaultWords {
  const who = `unit ${unitId} on ${wire.label}`;
  switch (error.code) {
    case 'timeout': {
      if (slow !== undefined && slow.late > 0)
        return {
          symptom: `${who} answers too late`,
          advice: `${slow.late} ${slow.late === 1 ? 'reply' : 'replies'} came after the time-out of ${formatDuration(slow.timeout)}; raise \`timeout\` of the device (${formatDuration(2 * slow.timeout)}), or look for what slows it down`,
        };
      const within = slow?.answered === true ? ` within ${formatDuration(slow.timeout)}` : '';
      const hint = slow?.answered === true ? '; if it is only slow, raise `timeout`' : '';
      const advice = wire.serial
        ? 'check that it has power, wires A and B (swap them), its unit id, baud rate and parity'
        : 'check that it has power and the unit id';
      return { symptom: `${who} does not answer${within}`, advice: advice + hint };
    }
    case 'crc':
      return {
        symptom: `replies of ${who} arrive damaged`,
        advice: 'check baud rate, parity and stop bits, termination and noise, and that no two devices have one unit id',
      };
    case 'exception': {
      const n = Number(error.data.exception);
      return {
        symptom: `${who} answers ${request} with exception ${n}`,
        advice: exceptionWords(n) + (n === 2 ? manyWords(request) : ''),
      };
    }
    case 'bus-closed':
      return { symptom: `${who} cannot be asked`, advice: error.message };
    default:
      return {
        symptom: `${who} answers ${request} with something else`,
        advice: `${error.message}; check that no two devices have one unit id and that no other program asks on this wire`,
      };
  }
}

export function sayFault({ symptom, advice }: FaultWords): string {
  return `${symptom}: ${advice}`;
}

/** The reason that readings of a failed request carry. */
export function reasonOf(error: SluiceError): ReasonName {
  switch (error.code) {
    case 'timeout':
    case 'crc':
    case 'exception':
      return error.code;
    case 'bus-closed':
    case 'bus-open':
      return 'disconnected';
    default:
      return 'bad-reply';
  }
}

const CONNECT_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: check address, port and that Modbus TCP is switched on in the device',
  EHOSTUNREACH: 'there is no way to this address: check cable, address and network',
  ENETUNREACH: 'there is no network to this address: check cable and network settings',
  ETIMEDOUT: 'the address does not answer: check power, cable and address',
  ENOTFOUND: 'this name is not known: check it, or write the address',
  EAI_AGAIN: 'the name service does not answer: write the address instead',
  ECONNRESET: 'the device closed the connection: it may have too many already',
};

/** The connection opens, and is closed before anything was answered, again and again. */
export function droppedFailure(error: SluiceError, host: string, port: number): SluiceError {
  return new SluiceError(
    'bus-closed',
    `${host}:${port}: ${error.message}, each time before it answered. A device with one connection does so while another program uses it (SCADA, another gateway); end that program`,
    { cause: error },
  );
}

export function connectFailure(error: Error, host: string, port: number): SluiceError {
  const code = 'code' in error ? String(error.code) : error instanceof SluiceError && error.code === 'timeout' ? 'ETIMEDOUT' : '';
  return new SluiceError('bus-open', `${host}:${port}: ${CONNECT_WORDS[code] ?? error.message}`, { cause: error });
}
