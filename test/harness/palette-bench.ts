/** The nodes of the palette in the runtime of Node-RED 5 (node-red-node-test-helper), with a fake gateway at the socket. */
import { createRequire } from 'node:module';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Message, Red, Status } from '../../src/node-red/palette/runtime/red.ts';
import { connections, register } from '../../src/node-red/palette/runtime/register.ts';
import { NODE_RED_FOLDER } from '../../src/node-red/place.ts';
import { FlowsGateway } from '../fakes/flows-gateway.ts';
import { scratch } from './scratch.ts';
import { waitFor } from './wait-for.ts';

export const FILES = ['gateway', 'reading-in', 'latest', 'history', 'write', 'alarm-in', 'alarm-action', 'reading-out', 'status'];

type Flow = readonly Readonly<Record<string, unknown>>[];
interface HelperNode {
  readonly id: string;
  on(name: string, listener: (given: never) => void): void;
  receive(message: Message): void;
}
interface Helper {
  init(runtime: string): void;
  settings(settings: object): void;
  load(nodes: readonly ((red: Red) => void)[], flow: Flow, credentials: object): Promise<void>;
  readonly _redNodes: { setFlows(flow: Flow, credentials: object, type: string): Promise<unknown> };
  readonly _context: { init(settings: object): void; load(): Promise<unknown>; close(): Promise<unknown> };
  readonly _events: { once(name: string, listener: () => void): void };
  unload(): Promise<void>;
  getNode(id: string): HelperNode | null;
  log(): { args: readonly (readonly { readonly level: number; readonly msg: unknown; readonly id?: string }[])[] };
}

const CORE = path.join(NODE_RED_FOLDER, 'node_modules', '@node-red', 'nodes', 'core');
const load = createRequire(import.meta.url);
let made: Helper | undefined;
function helperOf(): Helper {
  if (made !== undefined) return made;
  made = load('node-red-node-test-helper') as Helper;
  made.init(path.join(NODE_RED_FOLDER, 'node_modules', 'node-red', 'lib', 'red.js'));
  return made;
}

export interface PaletteBench {
  readonly gateway: FlowsGateway;
  readonly socket: string;
  /** Messages that a helper node got. */
  readonly got: Message[];
  readonly caught: Message[];
  readonly completed: Message[];
  /** All statuses that a node showed, in order. */
  readonly statuses: (id: string) => readonly Status[];
  deploy(flow: Flow): Promise<void>;
  redeploy(flow: Flow): Promise<void>;
  send(id: string, message: Message): void;
  /** Waits until the newest status of a node has this text. */
  until(id: string, text: string): Promise<Status>;
  errors(): unknown[];
}

export interface BenchOptions {
  /** false: nobody is at the socket. */
  readonly listening?: boolean;
  /** The key `sluice` of Node-RED's settings; absent: as the gateway sets it. */
  readonly sluice?: object | undefined;
  readonly credentials?: object;
  /** Nodes of Node-RED itself: files in its folder `core`. Catch and complete are always there. */
  readonly core?: readonly string[];
  /** Where nodes write files. */
  readonly folder?: string;
}

/** A helper node `out` takes what nodes send; `caught` gets what the Catch nodes send, `completed` what is done. */
export async function paletteBench(t: TestContext, options: BenchOptions = {}): Promise<PaletteBench> {
  const helper = helperOf();
  const gateway = new FlowsGateway();
  const socket = path.join(scratch(t, 'palette'), 'flows.sock');
  if (options.listening !== false) await gateway.listen(socket);
  const sluice = 'sluice' in options ? options.sluice : { socket, token: gateway.token };
  helper.settings({ sluice, ...(options.folder === undefined ? {} : { fileWorkingDirectory: options.folder }) });
  const core = (options.core ?? []).map((file) => load(path.join(CORE, file)) as (red: Red) => void);
  const [got, caught, completed]: Message[][] = [[], [], []] as [Message[], Message[], Message[]];
  const shown = new Map<string, Status[]>();
  const watch = (flow: Flow): void => {
    for (const { id } of flow) {
      const node = helper.getNode(String(id));
      node?.on('call:status', (call: never) => {
        const [status] = (call as { args: [Status] }).args;
        shown.set(String(id), [...(shown.get(String(id)) ?? []), status]);
      });
    }
    helper.getNode('out')?.on('input', (message: never) => got.push(message));
    helper.getNode('caught')?.on('input', (message: never) => caught.push(message));
    helper.getNode('completed')?.on('input', (message: never) => completed.push(message));
  };
  t.after(async () => {
    await helper.unload();
    if (core.length > 0) await helper._context.close();
    await gateway.vanish();
    await waitFor('no connection is left', () => connections.size === 0);
  });
  const statuses = (id: string): readonly Status[] => shown.get(id) ?? [];
  return {
    ...{ gateway, socket, got, caught, completed, statuses },
    deploy: async (flow) => {
      if (core.length > 0) {
        // As the gateway sets them, without a disk.
        helper._context.init({ contextStorage: { default: { module: 'memory' }, file: { module: 'memory' } } });
        await helper._context.load();
      }
      await helper.load([...core, ...FILES.map(register)], flow, options.credentials ?? {});
      watch(flow);
    },
    redeploy: async (flow) => {
      shown.clear();
      // The helper's own setFlows listens too late, and for 300 ms only.
      const started = new Promise<void>((resolve) => helper._events.once('flows:started', resolve));
      await helper._redNodes.setFlows(flow, {}, 'full');
      await started;
      watch(flow);
    },
    send: (id, message) => helper.getNode(id)?.receive(message),
    until: (id, text) =>
      waitFor(
        () => `the status "${text}" of ${id}; it showed ${JSON.stringify(statuses(id))}`,
        () => {
          const newest = statuses(id).at(-1);
          return newest?.text === text ? newest : undefined;
        },
      ),
    errors: () => helper.log().args.flatMap(([line]) => (line !== undefined && line.level <= 20 ? [line.msg] : [])),
  };
}

/** A tab with these nodes, and nodes that take what they send, what Catch nodes get and what is done. */
export function tab(...nodes: Flow): Flow {
  // A node without a place is a config node for Node-RED.
  const placed: Flow = [
    ...nodes.map((node) => ({ z: 'tab', wires: [['out']], ...node })),
    { id: 'out', z: 'tab', type: 'helper' },
    { id: 'catch', z: 'tab', type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    { id: 'caught', z: 'tab', type: 'helper' },
    {
      id: 'complete',
      z: 'tab',
      type: 'complete',
      scope: nodes.map(({ id }) => id),
      uncaught: false,
      wires: [['completed']],
    },
    { id: 'completed', z: 'tab', type: 'helper' },
  ];
  return [{ id: 'tab', type: 'tab', label: 'test' }, ...placed.map((node) => ({ x: 100, y: 100, ...node }))];
}
