/**
 * Flows for the gateway, on the socket of the editor: whole, with the passwords of nodes as Node-RED encrypted them. Only the gateway
 * knows the key of this start, so neither an editor nor an HTTP-in node reaches it. What is sent is lines:
 * 1. JSON about the flows, or what to do with them; 2. JSON of encrypted passwords; the rest: the flows as JSON.
 *
 * Node-RED takes encrypted passwords with a deploy, but keeps them in memory only, and drops all of them when they are of another
 * secret. So they are tried before, and written after.
 */
import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { FLOW_KEY_HEADER, FLOW_PATH, LONGEST_HEAD, MOST_CREDENTIALS, MOST_FLOWS_BODY } from '../flow-lines.ts';
import { addFlows, type FlowNode, freshIds, withoutCredentials } from './add-flows.ts';
import { NESTED } from './deploy-check.ts';
import type { Red, RedFlowsApi, RedRegistry, RedRuntimeFlows, RedStorage } from './node-red-types.ts';

const MOST_TABS = 100;
const LONGEST_LABEL = 60;
/** Types that Node-RED knows without a node behind them. */
const BUILT_IN = /^(?:tab|group|subflow|subflow:.*|junction|global-config)$/;
/** A deploy stops nodes, which may take 10 s, and starts others. */
const DEPLOYED_WITHIN = 25_000;
const MOST_NAMES = 20;
/** Milliseconds. */
const READ_WITHIN = 10_000;
const READ_EVERY = 100;

export interface FlowHatchOptions {
  readonly key: string;
  readonly secret: string;
  readonly flows: RedRuntimeFlows;
  readonly api: RedFlowsApi;
  readonly storage: RedStorage;
  readonly registry: RedRegistry;
  readonly events: Red['events'];
  readonly running: () => boolean;
}

interface Order {
  readonly mode: 'restore' | 'replace' | 'add';
  readonly rev?: string | undefined;
  /** The ids of nodes that are added follow from it. */
  readonly seed: string;
}

export class FlowHatch {
  readonly #o: FlowHatchOptions;

  constructor(options: FlowHatchOptions) {
    this.#o = options;
  }

  /** @returns false: it is no request of the gateway, and Node-RED answers it */
  handle(req: IncomingMessage, res: ServerResponse): boolean {
    if (req.url !== FLOW_PATH || !same(req.headers[FLOW_KEY_HEADER], this.#o.key)) return false;
    const work = req.method === 'POST' ? this.#take(req) : this.#give();
    work.then(
      (text) => res.writeHead(200).end(text),
      (thrown: unknown) => {
        const fault =
          thrown instanceof Refusal ? thrown : new Refusal('failed', thrown instanceof Error ? thrown.message : 'it failed');
        res.writeHead(fault.code === 'conflict' ? 409 : 400).end(JSON.stringify({ code: fault.code, message: fault.message }));
      },
    );
    return true;
  }

  async #give(): Promise<string> {
    const { flows, rev } = await this.#present();
    const credentials = JSON.stringify(await this.#kept());
    const clear = flows.map(withoutCredentials);
    return `${JSON.stringify({ rev, ...summary(clear) })}\n${credentials}\n${JSON.stringify(clear)}`;
  }

  async #take(req: IncomingMessage): Promise<string> {
    const { order, credentials, given } = await received(req);
    const { flows: present, rev } = await this.#present();
    const { flows, labels } =
      order.mode === 'add' ? addFlows(present, given, freshIds(order.seed)) : { flows: given, labels: [] };
    this.#assertTypes(flows, present);
    const before = JSON.stringify(await this.#kept());
    const readable = order.mode === 'restore' && this.#readable(credentials);
    const encrypted = readable && credentials.$ !== undefined;
    const alike = !readable || JSON.stringify(credentials) === before;
    const deployed = this.#deployed();
    try {
      await this.#o.api.setFlows({
        flows: { rev: order.rev ?? rev, flows, ...(readable ? { credentials } : {}) },
        // What did not change goes on. Node-RED does not see that a password changed.
        deploymentType: order.mode !== 'replace' && alike ? 'flows' : 'full',
        user: null,
      });
    } catch (thrown) {
      deployed.forget();
      if ((thrown as { code?: unknown }).code === 'version_mismatch')
        throw new Refusal('conflict', 'somebody else deployed flows at the same time');
      if ((thrown as { code?: unknown }).code === NESTED) throw new Refusal('nested', (thrown as Error).message);
      throw thrown;
    }
    if (encrypted) await this.#o.storage.saveCredentials(credentials);
    await deployed.promise;
    const passwords = order.mode !== 'restore' ? 'kept' : readable ? 'restored' : 'lost';
    return JSON.stringify({ flows: this.#o.running() ? 'started' : 'stopped', passwords, added: labels.slice(0, MOST_TABS) });
  }

  /** As they are on the disk: that is what a restart of Node-RED has. */
  async #kept(): Promise<object> {
    return (await this.#o.storage.getFlows()).credentials ?? {};
  }

  /** Node-RED says that it is ready before it has read its flows. */
  async #present(): Promise<{ flows: readonly FlowNode[]; rev: string }> {
    for (let waited = 0; waited < READ_WITHIN; waited += READ_EVERY) {
      const config = this.#o.flows.getFlows();
      if (config !== null) return config;
      await new Promise((resolve) => setTimeout(resolve, READ_EVERY));
    }
    throw new Refusal('failed', 'Node-RED could not read its flows; its log says why');
  }

  /** While a type is missing Node-RED starts no flow at all. One that is missing already makes nothing worse. */
  #assertTypes(flows: readonly FlowNode[], present: readonly FlowNode[]): void {
    const known = new Set(present.map(({ type }) => type));
    const missing = new Set<string>();
    for (const { type } of flows)
      if (!BUILT_IN.test(type) && !known.has(type) && missing.size < MOST_NAMES && !this.#o.registry.get(type)) missing.add(type);
    if (missing.size > 0) throw new Refusal('missing', [...missing].map((type) => type.slice(0, 100)).join(', '));
  }

  /** Whether Node-RED can decrypt them. */
  #readable(credentials: Readonly<Record<string, unknown>>): boolean {
    const { $ } = credentials;
    if ($ === undefined) return Object.keys(credentials).length === 0;
    if (typeof $ !== 'string') return false;
    try {
      const key = createHash('sha256').update(this.#o.secret).digest();
      const decipher = createDecipheriv('aes-256-ctr', key, Buffer.from($.slice(0, 32), 'hex'));
      const text = decipher.update($.slice(32), 'base64', 'utf8') + decipher.final('utf8');
      return typeof JSON.parse(text) === 'object';
    } catch {
      return false;
    }
  }

  /** Node-RED answers before the flows run. */
  #deployed(): { promise: Promise<void>; forget: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const heard = (event: { id?: string }): void => {
      if (event.id === 'runtime-deploy') over();
    };
    const timer = setTimeout(() => over(), DEPLOYED_WITHIN);
    const over = (): void => {
      clearTimeout(timer);
      this.#o.events.off('runtime-event', heard);
      resolve();
    };
    this.#o.events.on('runtime-event', heard);
    return { promise, forget: over };
  }
}

class Refusal extends Error {
  readonly code: 'conflict' | 'missing' | 'nested' | 'failed';

  constructor(code: Refusal['code'], message: string) {
    super(message);
    this.code = code;
  }
}

async function received(req: IncomingMessage) {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_FLOWS_BODY) throw new Refusal('failed', 'the flows are too large');
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  const first = bytes.subarray(0, LONGEST_HEAD).indexOf('\n');
  const second = bytes.subarray(0, first + 2 + MOST_CREDENTIALS).indexOf('\n', first + 1);
  if (first < 0 || second < 0) throw new Refusal('failed', 'the order is damaged');
  const json = (from: number, to: number): unknown => JSON.parse(bytes.toString('utf8', from, to));
  return {
    order: json(0, first) as Order,
    credentials: json(first + 1, second) as Record<string, unknown>,
    given: json(second + 1, bytes.length) as FlowNode[],
  };
}

/** What revisions are compared by. */
export function summary(flows: readonly FlowNode[]) {
  const shown = flows.filter(({ type }) => type === 'tab').slice(0, MOST_TABS);
  const marks = new Map(shown.map((tab) => [tab.id, { hash: createHash('sha256'), nodes: 0 }]));
  const rest = createHash('sha256');
  for (const node of flows) {
    const tab = node.type === 'tab' ? marks.get(node.id) : typeof node.z === 'string' ? marks.get(node.z) : undefined;
    (tab?.hash ?? rest).update(JSON.stringify(node));
    if (tab !== undefined && node.type !== 'tab') tab.nodes++;
  }
  const tabs = shown.map(({ id, label }) => {
    const { hash, nodes } = marks.get(id) ?? { hash: rest.copy(), nodes: 0 };
    return {
      id: id.slice(0, 64),
      label: String(label ?? '').slice(0, LONGEST_LABEL),
      nodes,
      mark: hash.digest('hex').slice(0, 16),
    };
  });
  const all = flows.filter(({ type }) => type === 'tab').length;
  return { tabs, moreTabs: all - shown.length, nodes: flows.length, rest: rest.digest('hex').slice(0, 16) };
}

function same(given: unknown, key: string): boolean {
  const [a, b] = [typeof given === 'string' ? given : '', key].map((text) => createHash('sha256').update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}
