/**
 * Who is who: people, devices and programs, their roles, log-ins and sessions. Invariants:
 * - Secrets are kept as hashes and shown once. No secret and no text that a caller sent reaches a log line, an event or an error.
 * - Nothing here blocks the event loop: hashes of passwords and files run in the thread pool, one hash and one change at a time.
 * - Nothing that is wrong with a file keeps the gateway from starting, and nothing opens doors: a gateway that was claimed stays
 *   claimed, whatever happened to its files (account-files.ts).
 * - What a caller may is decided by one table (roles.ts), whatever the door.
 * - Everything is bounded: accounts, sessions, tries, hashes and changes that wait, events.
 */
import { randomBytes } from 'node:crypto';
import type { AccountsAdmin, MqttAccess, PeopleAccess } from '../core/access-ports.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';
import { AccessAudit } from './access-audit.ts';
import { AccountBook } from './account-book.ts';
import { Administration } from './administration.ts';
import { BackOffFile } from './back-off-file.ts';
import { LogIns } from './log-ins.ts';
import { MqttDoor } from './mqtt-door.ts';
import type { AccessParts } from './parts.ts';
import { COST, type Cost } from './password.ts';
import { PeopleDoor } from './people-door.ts';
import type { RandomBytes } from './secrets.ts';
import { Sessions } from './sessions.ts';

/** How often the gateway looks for expired tokens, and tries again to keep a claim code, ms. */
const LOOK_EVERY = 60_000;

export interface AccessOptions {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tell: (event: GatewayEvent) => void;
  /** UTC milliseconds as the gateway knows it; known: it can be believed. */
  readonly time: () => { readonly utc: number; readonly known: boolean };
  readonly random?: RandomBytes;
  /** For tests: cheaper hashes. */
  readonly cost?: Cost;
}

export class Access {
  readonly mqtt: MqttAccess;
  readonly people: PeopleAccess;
  readonly accounts: AccountsAdmin;
  readonly #o: AccessOptions;
  readonly #parts: AccessParts;
  readonly #backOff: BackOffFile;
  /** Events before the log is there. */
  #early: (() => void)[] | undefined = [];
  #cancel: (() => void) | undefined;
  #stopped = false;
  readonly #expired = new Set<string>();

  constructor(options: AccessOptions) {
    const { clock, logger, tell, time, stateDir, random = randomBytes, cost = COST } = options;
    this.#o = options;
    const audit = new AccessAudit({ clock, logger, tell: (event) => this.#tell(() => tell(event)) });
    const book = new AccountBook({
      ...{ stateDir, random, time },
      report: (message, severity) => audit.file(message, severity),
    });
    this.#backOff = new BackOffFile({
      ...{ stateDir, clock, report: (message) => audit.file(message, 'warning') },
      tables: (most) => logIns.kept(most),
    });
    const logIns: LogIns = new LogIns({
      ...{ clock, book, audit, random, cost },
      waits: () => this.#backOff.waits(),
      known: () => this.#backOff.known(),
    });
    const sessions = new Sessions(random);
    this.#parts = { book, audit, logIns, sessions, clock, random, time };
    this.mqtt = new MqttDoor(this.#parts);
    this.people = new PeopleDoor(this.#parts);
    this.accounts = new Administration(this.#parts);
    book.onRevoked((owner) => {
      const [kind, name = ''] = owner.split(':');
      if (kind !== 'user') return;
      sessions.endAllOf(name);
      logIns.forget(name);
    });
  }

  /** Passwords of people that were checked since the start. */
  get checked(): number {
    return this.#parts.logIns.checked;
  }

  /** The owner of commands and their results: of this very account, not of one that had its name before. */
  owner(of: string): string {
    const [kind, name = ''] = of.split(':');
    return kind === 'user' || kind === 'device' ? `${of}.${this.#parts.book.born(name)}` : of;
  }

  /** Reads the files. Never rejects. */
  async open(): Promise<void> {
    await this.#parts.book.load();
    const left = await this.#backOff.load();
    if (left !== undefined) this.#parts.logIns.restore(left);
  }

  /** Events can be published from now on. */
  begin(): void {
    if (this.#parts.book.state === 'unclaimed')
      this.#o.logger.info({}, 'The gateway has no administrator yet: "sluice claim" shows the code that makes the first one.');
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const tell of early) tell();
    this.#look();
  }

  /** Resolves when what has to be kept is written. */
  stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#early === undefined) this.#parts.audit.flush();
    // A change that is under way is written and logged; the log of readings closes without its event.
    this.#stopped = true;
    return this.#backOff.stop();
  }

  #tell(tell: () => void): void {
    // Bound: reports of the files, each once, and what the audit lets pass.
    if (this.#stopped) return;
    if (this.#early === undefined) tell();
    else this.#early.push(tell);
  }

  /** Ends the connections of expired tokens. */
  #look(): void {
    const { book, clock, audit } = this.#parts;
    this.#cancel = clock.after(LOOK_EVERY, () => this.#look());
    void book.keepCode();
    const { tokens } = book.accounts;
    // A token that a step of the clock brought back expires again.
    for (const id of this.#expired)
      if (!tokens.some((token) => token.id === id && book.isExpired(token))) this.#expired.delete(id);
    for (const token of tokens) {
      if (this.#expired.has(token.id) || !book.isExpired(token)) continue;
      this.#expired.add(token.id);
      book.revoke([`token:${token.id}`]);
      audit.changed('token-expired', `The token ${token.name} has expired`, GATEWAY, { token: token.id });
    }
  }
}

const GATEWAY = { who: 'gateway', door: 'gateway', role: 'administrator' } as const;
