/**
 * What happens to accounts, as events `access` and lines of the log: log-ins, refusals, changes. Invariants:
 * - No secret, and no text from outside: a name is shown only where it is the name of an account, because people type passwords into
 *   the wrong field.
 * - Capped: outsiders cause log-ins and refusals, each kind at most so often in a minute; then one line counts the rest. Changes by
 *   an administrator have a cap of their own, so that a flood of refusals hides none.
 */
import type { Caller, Realm } from '../core/access-ports.ts';
import type { Clock } from '../core/clock.ts';
import type { Door, Principal } from '../core/commands.ts';
import { SluiceError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { EventQuota } from '../core/quota.ts';

/** Events of one kind in a minute: of what outsiders cause, and of changes. */
const OUTSIDE = 10;
const CHANGES = 60;

export interface AccessAuditOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
}

export type Change =
  | 'user-add'
  | 'user-password'
  | 'user-role'
  | 'user-remove'
  | 'device-add'
  | 'device-password'
  | 'device-remove'
  | 'token-add'
  | 'token-remove'
  | 'token-expired'
  | 'claim'
  | 'claim-again';

export class AccessAudit {
  readonly #outside: EventQuota;
  readonly #changes: EventQuota;
  readonly logIns = { accepted: 0, refused: 0, throttled: 0 };

  constructor({ clock, logger, tell }: AccessAuditOptions) {
    const both = (event: GatewayEvent): void => {
      logger[event.severity === 'info' ? 'info' : 'warn'](event.data ?? {}, event.message);
      tell(event);
    };
    this.#outside = new EventQuota({ clock, tell: both, most: OUTSIDE });
    this.#changes = new EventQuota({ clock, tell: both, most: CHANGES });
  }

  accepted({ who, role, door }: Principal, { address }: Caller, realm: Realm = 'gateway'): void {
    this.logIns.accepted++;
    // A device that logs in without end hides no log-in of a person.
    this.#outside.tell(role === 'device' ? 'accepted device' : 'accepted', {
      ...{ event: 'access', severity: 'info', message: `${who} logged in${REALM_WORDS[realm]} ${DOORS[door]}${from(address)}.` },
      data: {
        ...{ do: 'log-in', result: 'done', via: door, who, role, ...placed(address) },
        ...(realm === 'gateway' ? {} : { to: realm }),
      },
    });
  }

  /** @param account the name, where there is an account of this name */
  refused(what: 'log-in' | 'claim', account: string | undefined, why: string, { door, address }: Caller): void {
    this.logIns.refused++;
    const whom = account === undefined ? '' : ` of ${account}`;
    this.#outside.tell('refused', {
      ...{ event: 'access', severity: 'warning' },
      message: `${what === 'claim' ? 'A claim' : `A log-in${whom}`} ${DOORS[door]}${from(address)} was refused: ${why}.`,
      data: {
        ...{ do: what, result: 'refused', code: 'unauthorized', via: door },
        ...(account === undefined ? {} : { who: account }),
        ...placed(address),
      },
    });
  }

  throttled(what: 'log-in' | 'claim', { door, address }: Caller): void {
    this.logIns.throttled++;
    this.#outside.tell('throttled', {
      ...{ event: 'access', severity: 'warning' },
      message: `A ${what} ${DOORS[door]}${from(address)} was not checked: too many failed tries.`,
      data: { do: what, result: 'refused', code: 'throttled', via: door, ...placed(address) },
    });
  }

  /** @param facts names of accounts, roles */
  changed(change: Change, message: string, by: Principal, facts: Readonly<Record<string, string | number>> = {}): void {
    const { who, role, door: via } = by;
    this.#changes.tell('change', {
      ...{ event: 'access', severity: 'info', message: `${message}${byWhom(by)}.` },
      data: { do: change, result: 'done', ...facts, via, who, role },
    });
  }

  /** What was asked for is not shown: it may be anything. */
  failed(change: Change, by: Principal, thrown: unknown): void {
    const code = thrown instanceof SluiceError ? thrown.code : 'internal';
    const { who, role, door: via } = by;
    this.#changes.tell('failed change', {
      ...{ event: 'access', severity: 'warning', message: `${change} was not done${byWhom(by)}: ${code}.` },
      data: { do: change, result: 'refused', code, via, who, role },
    });
  }

  /** What is wrong with the files. */
  file(message: string, severity: 'warning' | 'critical'): void {
    this.#changes.tell('file', { event: 'access', severity, message, data: { do: 'file', result: 'failed' } });
  }

  /** Reports what is only counted so far. */
  flush(): void {
    this.#outside.flush();
    this.#changes.flush();
  }
}

const DOORS: Readonly<Record<Door, string>> = {
  socket: 'on this board',
  signal: 'on this board',
  http: 'over HTTP',
  https: 'over HTTPS',
  mqtt: 'over MQTT',
  'node-red': 'by Node-RED',
  rule: 'by a rule',
  gateway: 'by the gateway',
};
const REALM_WORDS: Readonly<Record<Realm, string>> = {
  gateway: '',
  editor: ' to the editor of flows',
  'http-in': ' to the pages of flows',
};
const byWhom = ({ door, who }: Principal): string => ` ${DOORS[door]} (${who.slice(0, 64).replace(/\p{Cc}/gu, '�')})`;
/** As the system gave it: digits, letters, dots and colons. */
const from = (address: string | undefined): string => (address === undefined ? '' : ` from ${address.slice(0, 64)}`);
const placed = (address: string | undefined): Record<string, string> =>
  address === undefined ? {} : { address: address.slice(0, 64) };
