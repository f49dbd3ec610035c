/**
 * What the nodes of a fleet still have for the platform. A record is missing only where neither the platform nor a node has it: a session may
 * stop although its queue holds more. Pure.
 */

/** Messages of the session of the platform. */
export interface Held {
  /** They wait to be sent to it. */
  readonly ready: number;
  /** They were sent, and the node has no PUBACK for them. */
  readonly underWay: number;
}

export const NOTHING: Held = { ready: 0, underWay: 0 };
/** How often the platform connects again for what a node still has. */
export const MOST_RETURNS = 3;

function sum(all: readonly Held[]): Held {
  return all.reduce((a, b) => ({ ready: a.ready + b.ready, underWay: a.underWay + b.underWay }), NOTHING);
}

/** Columns that `rabbitmqctl list_queues --formatter json` is asked for. */
export const RABBIT_COLUMNS = ['name', 'messages_ready', 'messages_unacknowledged'];

interface RabbitQueue {
  readonly name: string;
  /** Empty while the queue has no leader. */
  readonly messages_ready: number | '';
  readonly messages_unacknowledged: number | '';
}

/** @returns undefined: a queue of the session says nothing */
export function ofRabbit(text: string, client: string): Held | undefined {
  const own = (JSON.parse(text) as RabbitQueue[]).filter(({ name }) => name.startsWith(`mqtt-subscription-${client}qos`));
  const held = own.flatMap(({ messages_ready: ready, messages_unacknowledged: underWay }) =>
    typeof ready === 'number' && typeof underWay === 'number' ? [{ ready, underWay }] : [],
  );
  return held.length < own.length ? undefined : sum(held);
}

/** The page of a node with its consumers. */
export const NATS_PAGE = 'jsz?accounts=true&streams=true&consumers=true&config=true';

interface NatsConsumer {
  readonly name: string;
  readonly config: { readonly filter_subject?: string };
  readonly cluster?: { readonly leader?: string };
  readonly num_pending: number;
  readonly num_ack_pending: number;
}
interface NatsPage {
  readonly account_details?: readonly {
    readonly stream_detail?: readonly { readonly name: string; readonly consumer_detail?: readonly NatsConsumer[] }[];
  }[];
}

/** Topics of the platform. */
const OF_PLATFORM = /^\$MQTT\.msgs\.sluice\.\*\.(?:data|history|alarm)/;

/** @param pages by the name of the node: only the leader of a consumer knows how far it is @returns undefined: one has no leader */
export function ofNats(pages: ReadonlyMap<string, string>): Held | undefined {
  const seen = new Map<string, Held | undefined>();
  for (const [node, text] of pages)
    for (const { stream_detail: streams = [] } of (JSON.parse(text) as NatsPage).account_details ?? [])
      for (const { name, consumer_detail: consumers = [] } of streams)
        for (const one of consumers) {
          if (name !== '$MQTT_msgs' || !OF_PLATFORM.test(one.config.filter_subject ?? '')) continue;
          // A node without a cluster leads all that it has.
          if ((one.cluster?.leader ?? node) === node)
            seen.set(one.name, { ready: one.num_pending, underWay: one.num_ack_pending });
          else if (!seen.has(one.name)) seen.set(one.name, undefined);
        }
  const held = [...seen.values()];
  return held.includes(undefined) ? undefined : sum(held as Held[]);
}

/** The part of a run that the comparison needs. */
export interface Compared<V> {
  /** What the platform lacks now. */
  verdict(): Promise<V>;
  complete(verdict: V): boolean;
  /** Resolves when the verdict is complete, or nothing came for a while. */
  quiet(): Promise<void>;
  /** undefined: no node can say it now */
  held(): Promise<Held | undefined>;
  /** The platform leaves and comes back, to another node. */
  back(): Promise<void>;
}

export interface Outcome<V> {
  /** Before the platform connected again. */
  readonly first: V;
  readonly last: V;
  /** How often it did. */
  readonly returns: number;
  /** What the nodes had whenever something was missing, the last one last. */
  readonly held: readonly (Held | undefined)[];
}

/**
 * Compared once everything came, or nothing comes any more and no node has anything. A node sends again what has no PUBACK when the
 * platform connects, so the platform does that while a node has something, and once where no node can say.
 */
export async function compared<V>(run: Compared<V>): Promise<Outcome<V>> {
  await run.quiet();
  let last = await run.verdict();
  const first = last;
  const held: (Held | undefined)[] = [];
  let returns = 0;
  for (let blind = 0; !run.complete(last); returns++) {
    const now = await run.held();
    held.push(now);
    const isEmpty = now !== undefined && now.ready + now.underWay === 0;
    if (isEmpty || returns >= MOST_RETURNS || (now === undefined && ++blind > 1)) break;
    await run.back();
    await run.quiet();
    last = await run.verdict();
  }
  return { first, last, returns, held };
}

/** The queues of the session in the answer to RABBIT_COLUMNS, by name. */
export function rabbitQueues(text: string, client: string): Map<string, number> {
  const own = (JSON.parse(text) as RabbitQueue[]).filter(({ name }) => name.startsWith(`mqtt-subscription-${client}qos`));
  return new Map(own.map(({ name, messages_ready: ready }) => [name, ready === '' ? 0 : ready]));
}

/** For a row of a table. */
export function heldWords(held: readonly (Held | undefined)[]): string {
  return held.map((one) => (one === undefined ? 'unknown' : `${one.ready} + ${one.underWay}`)).join('; ') || 'not asked';
}
