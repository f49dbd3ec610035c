/**
 * The embedded broker of one configuration. A reload that changes it makes the new one, then stops the old one, whose address the
 * new one may need, then starts the new one.
 */

import type { TlsSources } from '../access/tls/tls-sources.ts';
import { comparable } from '../config/compare.ts';
import type { GatewayConfig } from '../config/kinds.ts';
import { grantOf } from '../control/remote/granted.ts';
import type { Inventory, LiveSink, NoticeMessage } from '../core/ports.ts';
import type { RemoteCommands } from '../core/remote-commands.ts';
import type { CommandSink, EmbeddedBrokerOptions } from '../forwarders/broker/broker-types.ts';
import type { EmbeddedBroker } from '../forwarders/broker/embedded-broker.ts';
import { hasAlarm } from './alarming.ts';
import { loadBroker } from './registry-create.ts';

/** The input of the broker, without the part that follows from the configuration. */
export type BrokerSurroundings = Omit<EmbeddedBrokerOptions, 'listen' | 'root' | 'identity' | 'store' | 'command'> & {
  readonly identity: () => EmbeddedBrokerOptions['identity'];
  /** The certificates of listeners with TLS. */
  readonly tls: Pick<TlsSources, 'of' | 'keep'>;
  /** One for each broker; it opens its file when its broker starts, and the one before has closed it by then. */
  readonly store: () => EmbeddedBrokerOptions['store'];
  /** What it retains when it starts: the newest transition of each rule. */
  readonly alarms: () => Iterable<NoticeMessage>;
  /** Takes the commands of clients. */
  readonly commands: RemoteCommands;
  /** Whose commands they are: another text for another account of the same name. */
  readonly ownerOf: (owner: string) => string;
};

/** Where live destinations are given what comes. */
export interface Feed {
  add(sink: LiveSink): void;
  remove(sink: LiveSink): void;
}

export interface PreparedBroker {
  readonly changed: readonly string[];
  /** Ports that the broker of before lets go of. */
  readonly leaving: readonly number[];
  apply(): Promise<void>;
}

/** Milliseconds that a start waits for the addresses of the broker. */
const OPEN_WITHIN = 3000;

export class LocalBroker {
  readonly #surroundings: BrokerSurroundings;
  readonly #feed: () => Feed;
  readonly #load: typeof loadBroker;
  #broker: EmbeddedBroker | undefined;
  #listen: GatewayConfig['broker'];
  #stopped = false;
  #inventory: Inventory = { v: 1, revision: 0, devices: {} };

  constructor(surroundings: BrokerSurroundings, feed: () => Feed, load: typeof loadBroker = loadBroker) {
    this.#surroundings = surroundings;
    this.#feed = feed;
    this.#load = load;
  }

  get running(): EmbeddedBroker | undefined {
    return this.#broker;
  }

  inventory(inventory: Inventory): void {
    this.#inventory = inventory;
    this.#broker?.inventory(inventory);
  }

  /** The rules that exist now. */
  rules(names: ReadonlySet<string>): void {
    this.#broker?.rules(names);
  }

  /** Makes what the configuration asks for; nothing is stopped or started yet. */
  async prepare(config: GatewayConfig): Promise<PreparedBroker> {
    const { broker: asked } = config;
    if (comparable(asked ?? null) === comparable(this.#listen ?? null))
      return { changed: [], leaving: [], apply: async () => {} };
    const next = asked === undefined ? undefined : await this.#make(asked, config);
    return {
      changed: ['broker'],
      leaving: (this.#listen?.listen ?? []).map(({ port }) => port),
      apply: async () => {
        await this.#end();
        if (this.#stopped) return;
        this.#listen = asked;
        this.#broker = next;
        this.#surroundings.tls.keep('broker', asked?.listen ?? []);
        if (next === undefined) return;
        next.inventory(this.#inventory);
        for (const alarm of this.#surroundings.alarms()) if (hasAlarm(config, alarm.key)) next.notice(alarm);
        this.#feed().add(next);
        next.start();
      },
    };
  }

  /** Resolves when each address is open or has a fault, OPEN_WITHIN at the latest. @returns the addresses that are not open */
  async opened(): Promise<string[]> {
    const broker = this.#broker;
    if (broker === undefined) return [];
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.#surroundings.clock.after(OPEN_WITHIN, resolve);
    await Promise.race([broker.tried(), late]);
    cancel();
    return broker.notOpen.map(({ host, port }) => `broker ${host}:${port}`);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#end();
  }

  async #end(): Promise<void> {
    const broker = this.#broker;
    if (broker === undefined) return;
    this.#broker = undefined;
    this.#feed().remove(broker);
    await broker.stop();
  }

  async #make(
    { listen, commands: grants, maxPacket }: NonNullable<GatewayConfig['broker']>,
    config: GatewayConfig,
  ): Promise<EmbeddedBroker> {
    const Broker = await this.#load();
    const { identity, store, tls, commands, ownerOf, alarms: _, ...rest } = this.#surroundings;
    const command: CommandSink = (payload, { principal: by, owner }, retained, answer) =>
      commands.take(payload, { by, owner: ownerOf(owner), grant: grantOf(grants ?? {}, by.role), answer }, retained);
    for (const { host, port, insecure } of listen)
      if (insecure === true)
        rest.logger.warn(
          { host, port },
          'The embedded broker listens without TLS where other machines reach it, as the configuration says (insecure): everybody on that network can read passwords and readings.',
        );
    const listeners = listen.map(({ tls: asked, ...address }) =>
      asked === undefined ? address : { ...address, tls: tls.of(asked) },
    );
    const root = `sluice/${config.gateway.id}`;
    return new Broker({ ...rest, command, listen: listeners, maxPacket, root, identity: identity(), store: store() });
  }
}
