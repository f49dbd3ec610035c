/**
 * Clients that were turned away, for the log: what they did and what helps. Any client of this board can cause such a line
 * without end, so there are LINES of each kind in a minute; the others are counted, and one line gives their number.
 */
import type { Clock } from '../../core/clock.ts';
import { foreignText } from '../../core/foreign-text.ts';
import type { Logger } from '../../core/logger.ts';
import { Quota } from '../../core/quota.ts';

const LINES = 5;
const MINUTE = 60_000;
/** Characters of a client id and of a topic in a line. */
const LONGEST_ID = 64;
const LONGEST_TOPIC = 128;

const WORDS = {
  version: 'An MQTT client was refused: the embedded broker speaks MQTT 3.1.1 only. Set its MQTT version to 3.1.1 (4).',
  publish:
    'An MQTT client was disconnected because it published: clients without an account may only subscribe, and others use the topics of their account.',
  password:
    'An MQTT client was refused: its user name or its password is wrong. "sluice user list" shows the names; a client of this board needs none until the gateway is claimed.',
  anonymous:
    'An MQTT client was refused because it gave no user name: the gateway is claimed, or the client is on another machine.',
  throttled: 'An MQTT client was refused: there were too many wrong log-ins. Correct its password, then wait some minutes.',
  id: 'An MQTT client was refused: its client id is too long, or it has none and asks for a session that stays. Give it a short client id.',
  rule: 'An MQTT client was disconnected because it broke a rule of MQTT. Update that program or use another one.',
  size: 'An MQTT client was disconnected because its packet was larger or slower than the embedded broker accepts. Send smaller packets, or set broker.maxPacket.',
  address:
    'A connection to the embedded broker was closed before its log-in: its address opened more than its share. Look at the programs on that machine.',
  account: 'An MQTT client was refused: its account has its share of the places. Give each device an account of its own.',
  'account-requests':
    'An MQTT client was refused: the clients of its account make too many requests, and its will is one more. Look for one that reconnects without end.',
  behind:
    'An MQTT client was disconnected: the disk does not keep up with what its account publishes. "sluice status" says whether broker.db takes nothing; make space or replace the disk then. Otherwise publish less with QoS 1 and 2.',
  early:
    'An MQTT client was refused: the disk did not keep up with what it published, and it came back too soon. It may come back within half a minute.',
  sessions:
    'An MQTT client was refused: there is no space for its session, and no account has more sessions than its own. Connect with clean session 1, or end sessions that are not needed.',
  places:
    'An MQTT client was refused: the embedded broker has as many clients as it accepts. Disconnect clients that are not needed.',
} as const;
export type TurnedAwayFor = keyof typeof WORDS;

export interface TurnedAwayFacts {
  readonly client?: string | undefined;
  readonly topic?: string | undefined;
  readonly [fact: string]: string | number | undefined;
}

export class TurnedAway {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** One for each kind. */
  readonly #kinds = new Map<TurnedAwayFor, { readonly quota: Quota; more: number; last: TurnedAwayFacts }>();

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** @param facts `client` and `topic` as they came */
  log(why: TurnedAwayFor, facts: TurnedAwayFacts): void {
    const known = this.#kinds.get(why);
    const kind = known ?? {
      quota: new Quota({ clock: this.#clock, period: MINUTE, most: LINES, rest: () => this.#rest(why) }),
      ...{ more: 0, last: facts },
    };
    if (known === undefined) this.#kinds.set(why, kind);
    if (kind.quota.take()) {
      this.#logger.warn(shown(facts), WORDS[why]);
      return;
    }
    kind.more++;
    kind.last = facts;
  }

  /** Logs what is only counted so far. */
  end(): void {
    for (const { quota } of this.#kinds.values()) quota.flush();
  }

  #rest(why: TurnedAwayFor): void {
    const kind = this.#kinds.get(why);
    if (kind === undefined) return;
    const { more, last } = kind;
    kind.more = 0;
    this.#logger.warn({ more, ...shown(last) }, `${WORDS[why]} It happened ${more} more times; this was the last one.`);
  }
}

function shown(facts: TurnedAwayFacts): object {
  const { client, topic, ...rest } = facts;
  return {
    ...(client === undefined || client === '' ? {} : { client: foreignText(client, LONGEST_ID) }),
    ...(topic === undefined ? {} : { topic: foreignText(topic, LONGEST_TOPIC) }),
    ...rest,
  };
}
