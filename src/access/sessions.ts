/**
 * Sessions of people, in memory: a restart ends them. Invariants:
 * - A session holds in one realm (core/access-ports.ts) and counts for nothing in another one.
 * - A session that another one opened (a ticket) ends with the log-out of that one.
 * - An id has 128 random bits and is kept as its SHA-256: a picture of the memory gives nobody a session.
 * - A session ends when nothing was asked for IDLE, and after ABSOLUTE in any case, by monotonic time.
 * - At most MOST_OF_USER of one person in a realm, and MOST in total. One more ends the one that was idle for longest: of that person where it is
 *   that person's limit, so that nobody can end another's sessions by logging in.
 */
import { REALMS, type Realm } from '../core/access-ports.ts';
import { type RandomBytes, randomText, sha256 } from './secrets.ts';

/** Milliseconds. */
export const IDLE = 2 * 60 * 60_000;
export const ABSOLUTE = 24 * 60 * 60_000;
export const MOST_OF_USER = 8;
/** As many as MOST_USERS people have together in each realm, so that the limit of one person comes first. */
export const MOST = 64 * MOST_OF_USER * REALMS.length;

interface Session {
  readonly user: string;
  readonly realm: Realm;
  /** The key of the session that opened it. */
  readonly parent: string | undefined;
  readonly began: number;
  used: number;
}

export class Sessions {
  readonly #random: RandomBytes;
  /** By the SHA-256 of their ids; the one that was idle for longest comes first. */
  readonly #sessions = new Map<string, Session>();

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /** @param parent the id of the session that opens it @returns the id, which is nowhere else */
  begin(user: string, now: number, realm: Realm = 'gateway', parent?: string): string {
    this.#sweep(now);
    const own = [...this.#sessions].filter(([, session]) => session.user === user && session.realm === realm);
    const [oldest] = own.length >= MOST_OF_USER ? own : this.#sessions.size >= MOST ? [...this.#sessions] : [];
    if (oldest !== undefined) this.#sessions.delete(oldest[0]);
    const id = randomText(this.#random);
    this.#sessions.set(sha256(id), { user, realm, parent: parent && keyOf(parent), began: now, used: now });
    return id;
  }

  /** @returns whose it is; undefined: it is none, or it is over */
  use(id: string, now: number, realm: Realm = 'gateway'): string | undefined {
    const key = keyOf(id);
    const session = key === undefined ? undefined : this.#sessions.get(key);
    if (key === undefined || session?.realm !== realm) return undefined;
    this.#sessions.delete(key);
    if (isOver(session, now)) return undefined;
    session.used = now;
    this.#sessions.set(key, session);
    return session.user;
  }

  /** As `use`, and the session does not live longer for it. */
  userOf(id: string, now: number, realm: Realm = 'gateway'): string | undefined {
    const key = keyOf(id);
    const session = key === undefined ? undefined : this.#sessions.get(key);
    return session?.realm !== realm || isOver(session, now) ? undefined : session.user;
  }

  /** Ends it, with those that it opened. */
  end(id: string): void {
    const key = keyOf(id);
    if (key === undefined) return;
    this.#sessions.delete(key);
    for (const [other, { parent }] of this.#sessions) if (parent === key) this.#sessions.delete(other);
  }

  endAllOf(user: string): void {
    for (const [key, session] of this.#sessions) if (session.user === user) this.#sessions.delete(key);
  }

  endAll(): void {
    this.#sessions.clear();
  }

  count(now: number, user?: string): number {
    this.#sweep(now);
    return [...this.#sessions.values()].filter((session) => user === undefined || session.user === user).length;
  }

  #sweep(now: number): void {
    for (const [key, session] of this.#sessions) if (isOver(session, now)) this.#sessions.delete(key);
  }
}

const isOver = ({ began, used }: Session, now: number): boolean => now - used >= IDLE || now - began >= ABSOLUTE;
/** What comes in a cookie has any length. */
const keyOf = (id: string): string | undefined => (id.length <= 64 ? sha256(id) : undefined);
