/**
 * Makes the gateway findable in the local network. Invariants:
 * - It speaks only while something of the gateway listens beyond loopback, and says good-bye when that ends.
 * - It answers questions of its own network segment alone, and reads no packet of more than 1,500 bytes.
 * - A flood costs each socket MOST_HEARD and MOST_FOREIGN packets in LOOK_EVERY: then it closes until the next look, and the kernel drops
 *   the rest.
 * - It keeps its names when another device claims them: they are of the hardware and the id. People hear of it, and the fingerprint tells.
 * - Without a network, or with another program on the port, nothing else of the gateway notices.
 * - The codec is loaded when there is something to announce for the first time, and stays.
 */
import type { RemoteInfo } from 'node:dgram';
import { createRequire } from 'node:module';
import { networkInterfaces } from 'node:os';
import type { Packet } from 'dns-packet';
import type { Clock } from '../../core/clock.ts';
import { SluiceError, toError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { type Announced, answerTo, claimOf, isQuestion, mayClaim, recordsOf } from './answers.ts';
import { type Link, linkAt, openLink, PORT, placesOf } from './links.ts';

const load = createRequire(import.meta.url);

/** Bytes of a packet: one of Ethernet. */
const MOST_PACKET = 1500;
/** Packets of each kind that are read, and answers that leave, in a second. */
export const MOST_READ = 200;
export const MOST_ANSWERS = 20;
/** Packets of any kind in a second that are a flood in the network of a link. A large network has some dozens. */
export const MOST_HEARD = 1000;
/** The same of all other networks: the kernel gives a packet to the socket of each link. Each of these costs one look at its address. */
export const MOST_FOREIGN = 2 * MOST_HEARD;
/** Shortest time between two defences of the name (RFC 6762, section 9), ms. */
const DEFEND_EVERY = 10_000;
/** Shortest time between two log lines about claims, and between two about floods, ms. */
const TELL_EVERY = 3_600_000;
/** How often addresses and listeners are looked at, ms. */
const LOOK_EVERY = 5000;
/** RFC 6762, section 8.3: a second announcement after the first, ms. */
const AGAIN_AFTER = 1000;

export interface ResponderOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** undefined: nothing shall be announced now. */
  readonly announced: () => Announced | undefined;
  /** For tests. */
  readonly interfaces?: typeof networkInterfaces;
}

export class MdnsResponder {
  readonly #o: ResponderOptions;
  readonly #links = new Map<string, Link>();
  #said: Announced | undefined;
  #codec: typeof import('dns-packet') | undefined;
  #cancel: (() => void)[] = [];
  /** Places where the last try failed, by their key. */
  readonly #failed = new Map<string, { readonly name: string; readonly error: string }>();
  /** It was said that the codec cannot be loaded. */
  #mute = false;
  /** What was said of them last. */
  #told: 'works' | 'in part' | 'nowhere' = 'works';
  #second = 0;
  #read = 0;
  #readClaims = 0;
  #answers = 0;
  /**
   * Since the start: packets, answers, questions that a bound left without one, sockets that were opened, times that a flood closed them,
   * and claims of other devices.
   */
  readonly counts = { heard: 0, answered: 0, unanswered: 0, opened: 0, floods: 0, claims: 0 };
  #flood: { readonly before: number; readonly logged: boolean; looks: number } | undefined;
  #toldFlood = Number.NEGATIVE_INFINITY;
  /** The addresses of all interfaces, as the last look found them. */
  #addresses: readonly string[] = [];
  #defended = Number.NEGATIVE_INFINITY;
  #toldClaim = Number.NEGATIVE_INFINITY;

  constructor(options: ResponderOptions) {
    this.#o = options;
  }

  start(): void {
    this.#look();
  }

  /** Resolves when the good-bye has left, or cannot. */
  async stop(): Promise<void> {
    for (const cancel of this.#cancel) cancel();
    this.#cancel = [];
    await this.#goodBye();
  }

  #look(): void {
    const { clock, announced } = this.#o;
    this.#cancel = [clock.after(LOOK_EVERY, () => this.#look())];
    // One look opens the sockets again, and the next one sees what came of it.
    if (this.#flood !== undefined && ++this.#flood.looks > 1) {
      const times = this.counts.floods - this.#flood.before;
      if (this.#flood.logged)
        this.#o.logger.info({ times }, 'The flood of multicast DNS is over. The gateway can be found by name again.');
      this.#flood = undefined;
    }
    this.#tellFailures();
    const now = announced();
    const changed = JSON.stringify(now) !== JSON.stringify(this.#said);
    if (changed && this.#said !== undefined) void this.#goodBye();
    this.#said = now;
    if (now === undefined || !this.#canSpeak()) return;
    const fresh = this.#openLinks();
    const links = changed ? [...this.#links.values()] : fresh;
    if (links.length === 0) return;
    for (const link of links) this.#announce(link);
    this.#cancel.push(
      clock.after(AGAIN_AFTER, () => {
        for (const link of links) this.#announce(link);
      }),
    );
  }

  get #spoken(): typeof import('dns-packet') {
    if (this.#codec === undefined) throw new SluiceError('internal', 'nothing was announced yet');
    return this.#codec;
  }

  /** Loads the codec, the first time that it is needed. @returns false: the next look tries again */
  #canSpeak(): boolean {
    try {
      this.#codec ??= load('dns-packet') as typeof import('dns-packet');
      return true;
    } catch (thrown) {
      if (!this.#mute) this.#cannot(toError(thrown).message);
      this.#mute = true;
      return false;
    }
  }

  /** At a look, because one kind of address may fail before the other one works. */
  #tellFailures(): void {
    // It closed sockets that work.
    if (this.#flood !== undefined) return;
    const works = [...this.#links.values()].some(({ open }) => open);
    const state = this.#failed.size === 0 ? 'works' : works ? 'in part' : 'nowhere';
    if (state === this.#told) return;
    this.#told = state;
    const failed = [...this.#failed.values()];
    const where = failed.map(({ name }) => name).join(', ');
    if (state === 'nowhere') this.#cannot(failed[0]?.error ?? '');
    else if (state === 'in part')
      this.#o.logger.warn(
        { error: failed[0]?.error ?? '', where },
        `The gateway cannot be found by name over ${where}: multicast DNS does not work there. It works over its other networks.`,
      );
  }

  #cannot(error: string): void {
    this.#o.logger.warn({ error }, 'The gateway cannot be found by name in the network: multicast DNS does not work here.');
  }

  /** @returns those that are new */
  #openLinks(): Link[] {
    const fresh: Link[] = [];
    const interfaces = (this.#o.interfaces ?? networkInterfaces)();
    this.#addresses = Object.values(interfaces).flatMap((list) => (list ?? []).map(({ address }) => address));
    const places = placesOf(interfaces);
    for (const place of places) {
      if (this.#links.has(place.key)) continue;
      const link = linkAt(place);
      this.#links.set(place.key, link);
      this.counts.opened++;
      fresh.push(link);
      link.socket.on('message', (bytes, from) => this.#heard(bytes, from, link, place.key));
      const ready = (): void => {
        this.#failed.delete(place.key);
        this.#announce(link);
      };
      openLink(link, ready, ({ message }) => {
        this.#drop(place.key, link);
        this.#failed.set(place.key, { name: place.name, error: message });
      });
    }
    const wanted = new Set(places.map(({ key }) => key));
    for (const key of this.#failed.keys()) if (!wanted.has(key)) this.#failed.delete(key);
    for (const [key, link] of this.#links) if (!wanted.has(key)) this.#drop(key, link);
    return fresh;
  }

  #drop(key: string, { socket }: Link): void {
    if (!this.#links.delete(key)) return;
    socket.close();
  }

  #heard(bytes: Buffer, from: RemoteInfo, link: Link, key: string): void {
    const said = this.#said;
    this.#newSecond();
    this.counts.heard++;
    const near = link.isNear(from.address);
    if (near ? ++link.near > MOST_HEARD : ++link.foreign > MOST_FOREIGN) {
      this.#flooded(key, link);
      return;
    }
    if (said === undefined || bytes.length > MOST_PACKET || !near) return;
    if (mayClaim(bytes, said)) this.#claimed(bytes, from, link, said);
    else if (isQuestion(bytes)) {
      if (++this.#read <= MOST_READ) this.#asked(bytes, from, link, said);
      else this.counts.unanswered++;
    }
  }

  #asked(bytes: Buffer, from: RemoteInfo, link: Link, said: Announced): void {
    let query: Packet;
    try {
      query = this.#spoken.decode(bytes);
    } catch {
      return;
    }
    const legacy = from.port !== PORT;
    const answer = answerTo(query, said, link.addresses, legacy);
    if (answer === undefined) return;
    if (++this.#answers > MOST_ANSWERS) {
      this.counts.unanswered++;
      return;
    }
    this.counts.answered++;
    this.#send(link, answer, legacy ? from : undefined);
  }

  #newSecond(): void {
    const second = Math.floor(this.#o.clock.monotonic() / 1000);
    if (second === this.#second) return;
    this.#second = second;
    for (const link of this.#links.values()) {
      link.near = 0;
      link.foreign = 0;
    }
    this.#read = 0;
    this.#readClaims = 0;
    this.#answers = 0;
  }

  #flooded(key: string, link: Link): void {
    this.#drop(key, link);
    const now = this.#o.clock.monotonic();
    const logged = this.#flood?.logged ?? now - this.#toldFlood >= TELL_EVERY;
    if (this.#flood === undefined && logged) {
      this.#toldFlood = now;
      this.#o.logger.warn(
        { packets: MOST_HEARD },
        'More packets of multicast DNS come in a second than a network has. The gateway cannot be found by name until that ends.',
      );
    }
    this.#flood = { before: this.#flood?.before ?? this.counts.floods, logged, looks: 0 };
    this.counts.floods++;
  }

  /** Another device gives a name of this gateway to itself. */
  #claimed(bytes: Buffer, from: RemoteInfo, link: Link, said: Announced): void {
    if (++this.#readClaims > MOST_READ || this.#isOwn(from.address)) return;
    let name: string | undefined;
    try {
      name = claimOf(this.#spoken.decode(bytes), said, this.#addresses);
    } catch {
      return;
    }
    if (name === undefined) return;
    this.counts.claims++;
    const now = this.#o.clock.monotonic();
    if (now - this.#defended >= DEFEND_EVERY) {
      this.#defended = now;
      this.#announce(link);
    }
    if (now - this.#toldClaim < TELL_EVERY) return;
    this.#toldClaim = now;
    this.#o.logger.warn(
      { name, address: from.address, claims: this.counts.claims },
      'Another device in the network uses the name of this gateway. Compare the fingerprint of the certificate before you log in, and find that device.',
    );
  }

  #isOwn(address: string): boolean {
    for (const { addresses } of this.#links.values()) if (addresses.includes(address)) return true;
    return false;
  }

  #announce(link: Link): void {
    if (this.#said === undefined) return;
    this.#send(link, { type: 'response', flags: 0x0400, answers: recordsOf(this.#said, link.addresses) });
  }

  #send(
    { socket, group }: Link,
    packet: Packet,
    to?: { readonly port: number; readonly address: string },
    done = (): void => {},
  ): void {
    try {
      // A network that has just gone: the next look finds out.
      socket.send(this.#spoken.encode(packet), to?.port ?? PORT, to?.address ?? group, () => done());
    } catch {
      done();
    }
  }

  async #goodBye(): Promise<void> {
    const said = this.#said;
    this.#said = undefined;
    const links = [...this.#links.entries()];
    this.#links.clear();
    if (said === undefined) for (const [, { socket }] of links) socket.close();
    else
      await Promise.all(
        links.map(
          ([, link]) =>
            new Promise<void>((resolve) => {
              this.#send(
                link,
                { type: 'response', flags: 0x0400, answers: recordsOf(said, link.addresses, 0) },
                undefined,
                () => {
                  link.socket.close();
                  resolve();
                },
              );
            }),
        ),
      );
  }
}
