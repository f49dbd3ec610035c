/**
 * The process around Node-RED. The gateway starts it (or systemd, when the gateway connects), sends its settings over a socket, and
 * ends it. It lives no longer than that socket: when the gateway is gone, it stops its flows and ends.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { NODE_ROOT } from '../../core/flow-supervisor.ts';
import { Lines } from '../lines.ts';
import {
  type FlowsState,
  type FromChild,
  GRANTS,
  type Grant,
  LONGEST_LINE,
  MOST_MISSING,
  parseToChild,
  type StartOrder,
} from '../messages.ts';
import { ChildLog } from './child-log.ts';
import { checkDeploys } from './deploy-check.ts';
import { FlowHatch } from './flow-hatch.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Red, RedFlowsApi, RedFlowUtil, RedRegistry, RedRuntimeFlows, RedStorage, RuntimeEvent } from './node-red-types.ts';
import { OwnDisk } from './own-disk.ts';
import { redSettings } from './red-settings.ts';
import { setAside, unfitFlows } from './start-check.ts';
import { syncWrites } from './synced-writes.ts';

/** The gateway has to say what to do within this time, ms. */
const ORDER_WITHIN = 30_000;
/** Flows close within 10 s (red-settings.ts); the process ends then, whatever is left. */
const STOP_WITHIN = 12_000;
/** Safe mode without a word about its flows (ms): then the editor opens all the same. */
const HELD_WITHIN = 20_000;
/** More than this is never waiting for the gateway: a gateway that does not read gets no log lines. */
const MOST_UNSENT = 256 * 1024;
/** As systemd hands over sockets: the first is for the gateway, the second for the editor. */
const FIRST_SOCKET = 3;

class Child {
  readonly #channel: net.Socket;
  /** Already listens, where systemd made its socket. */
  readonly #editor: number | undefined;
  readonly #log: ChildLog;
  readonly #secrets: string[] = [];
  #red: Red | undefined;
  #flows: RedRuntimeFlows | undefined;
  #heartbeat: Heartbeat | undefined;
  #ending = false;
  /** The flows do not run because something is missing. */
  #blocked = false;

  constructor(channel: net.Socket, editor: number | undefined) {
    this.#channel = channel;
    this.#editor = editor;
    this.#log = new ChildLog({
      send: (line) => {
        if (channel.writableLength < MOST_UNSENT) this.#send(line);
      },
      now: () => performance.now(),
      secrets: this.#secrets,
    });
  }

  run(): void {
    const tooLate = setTimeout(() => process.exit(1), ORDER_WITHIN);
    const lines = new Lines(LONGEST_LINE, (line) => {
      const order = parseToChild(line);
      if (order?.type === 'start') {
        clearTimeout(tooLate);
        this.#start(order).catch((thrown: unknown) => this.#failed(thrown));
      } else if (order?.type === 'check') this.#heartbeat?.send(order.n);
      else if (order?.type === 'stop') this.#end();
    });
    this.#channel.on('data', (chunk) => lines.push(chunk));
    this.#channel.on('error', () => this.#end());
    this.#channel.on('close', () => this.#end());
    process.on('SIGTERM', () => this.#end());
    process.on('SIGINT', () => this.#end());
    process.on('uncaughtException', (thrown) => this.#failed(thrown));
    this.#log.takeOutput(process.stdout, 'info');
    this.#log.takeOutput(process.stderr, 'warn');
    this.#send({ type: 'hello', pid: process.pid, allows: allowed() });
  }

  async #start(given: StartOrder): Promise<void> {
    // systemd knows the folder of its service.
    const folder = process.env.STATE_DIRECTORY ?? given.folder;
    const held = heldFlows(folder);
    if (held !== undefined) this.#send({ type: 'held', ...held });
    const order = { ...given, folder, safeMode: given.safeMode ?? held?.why };
    this.#secrets.push(order.credentialSecret, order.flowKey, ...(order.gateway === undefined ? [] : [order.gateway.token]));
    mkdirSync(`${order.folder}/tmp`, { recursive: true });
    process.chdir(order.folder);
    // Node-RED looks for packages of people in the folder only.
    process.env.HOME = order.folder;
    syncWrites(order.folder);
    const [packages = '.'] = process.argv.slice(2);
    const base = createRequire(`${packages}/package.json`);
    const load = createRequire(base.resolve('node-red'));
    const red = base('node-red') as Red;
    this.#red = red;
    let hatch: FlowHatch | undefined;
    const server: Server = createServer((request, response) => {
      if (hatch === undefined) response.writeHead(503).end();
      else if (hatch.handle(request, response)) return;
      else if (request.url?.startsWith(`${NODE_ROOT}/`) === true) {
        // As express does it where an application has a path of its own.
        Object.assign(request, { originalUrl: request.url, url: request.url.slice(NODE_ROOT.length) });
        red.httpNode(request, response);
      } else red.httpAdmin(request, response);
    });
    server.on('error', (thrown) => this.#failed(thrown));
    red.init(
      server,
      redSettings(order, (message) => this.#log.message(message)),
    );
    this.#flows = load('@node-red/runtime/lib/flows') as RedRuntimeFlows;
    red.events.on('runtime-event', ({ id, payload }: RuntimeEvent) => {
      if (id === 'runtime-deploy') this.#send({ type: 'deployed', flows: this.#state() });
      if (id === 'runtime-state') this.#look(payload);
    });
    red.events.on('flows:started', () => this.#send({ type: 'deployed', flows: this.#state() }));
    const quiet = order.safeMode === undefined ? undefined : heldBack(red);
    await red.start();
    // A deploy before that would end safe mode, and Node-RED would start the flows of before first: those that crash.
    await quiet;
    const api = load('@node-red/runtime/lib/api/flows') as RedFlowsApi;
    checkDeploys(api, load('@node-red/runtime/lib/flows/util') as RedFlowUtil, this.#flows);
    const { promise: listening, resolve } = Promise.withResolvers<void>();
    if (this.#editor === undefined) server.listen(order.socket, resolve);
    else server.listen({ fd: this.#editor }, resolve);
    await listening;
    const disk = order.measure === undefined ? undefined : new OwnDisk(order.folder, order.measure);
    this.#heartbeat = new Heartbeat(load, (n) =>
      this.#send({ type: 'checked', n, flows: this.#state(), ...memory(), disk: disk?.read() }),
    );
    hatch = new FlowHatch({
      ...{ key: order.flowKey, secret: order.credentialSecret, flows: this.#flows, events: red.events },
      api,
      storage: load('@node-red/runtime/lib/storage') as RedStorage,
      registry: load('@node-red/registry') as RedRegistry,
      running: () => this.#state() === 'started',
    });
    this.#send({ type: 'ready', version: red.version() });
  }

  #look({ error, types = [], modules = [] }: NonNullable<RuntimeEvent['payload']> = {}): void {
    const missing = error === 'missing-modules' ? 'modules' : 'types';
    const all = missing === 'modules' ? modules.map(({ module }) => module) : error === 'missing-types' ? types : [];
    const names = all.slice(0, MOST_MISSING).map((name) => String(name).slice(0, 200));
    this.#blocked = names.length > 0;
    this.#send({ type: 'blocked', missing, names });
  }

  #state(): FlowsState {
    // Node-RED itself says `start` then.
    if (this.#blocked) return 'stopped';
    const state = this.#flows?.state();
    return state === 'start' ? 'started' : state === 'safe' ? 'safe' : 'stopped';
  }

  #send(message: FromChild): void {
    if (!this.#channel.destroyed) this.#channel.write(`${JSON.stringify(message)}\n`);
  }

  /** Stops flows, so that nodes close what they have open, and ends. */
  #end(): void {
    if (this.#ending) return;
    this.#ending = true;
    setTimeout(() => process.exit(0), STOP_WITHIN).unref();
    Promise.resolve(this.#red?.stop())
      .catch(() => {})
      .finally(() => process.exit(0));
  }

  #failed(thrown: unknown): void {
    const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    this.#send({ type: 'failed', text: text.slice(0, 2000) });
    // The text first.
    setTimeout(() => process.exit(1), 200);
  }
}

/** Flows on the disk that must not start. What Node-RED cannot read is moved away before it looks. */
function heldFlows(folder: string): { readonly why: string; readonly lost?: true } | undefined {
  const unfit = unfitFlows(folder);
  if (unfit?.file === undefined) return unfit;
  return { why: setAside(folder, unfit), lost: true };
}

/** Node-RED reads its flows after its start is over. Settles once it has not started them, and after HELD_WITHIN at the latest. */
function heldBack(red: Red): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => over(), HELD_WITHIN);
  const heard = ({ id, payload }: RuntimeEvent): void => {
    // After that one it still starts its flows, without their passwords.
    if (id === 'runtime-state' && payload?.error !== undefined && payload.error !== 'credentials_load_failed_reset') over();
  };
  const over = (): void => {
    clearTimeout(timer);
    red.events.off('runtime-event', heard);
    resolve();
  };
  red.events.on('runtime-event', heard);
  return promise;
}

function memory(): { resident: number; proportional?: number } {
  const resident = process.memoryUsage.rss();
  try {
    const kB = /^Pss:\s+(\d+) kB/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1];
    return kB === undefined ? { resident } : { resident, proportional: Number(kB) * 1024 };
  } catch {
    return { resident };
  }
}

/** What the fence around this process lets through. */
function allowed(): Grant[] {
  const fence = process.permission;
  const open: Record<Grant, boolean> = {
    exec: fence?.has('child') ?? true,
    files: fence?.has('fs.write') ?? true,
    palette: (fence?.has('child') ?? true) && (fence?.has('fs.write') ?? true),
    modules: fence?.has('child') ?? true,
  };
  return GRANTS.filter((grant) => open[grant]);
}

process.umask(0o077);
if (Number(process.env.LISTEN_FDS) >= 2 && Number(process.env.LISTEN_PID) === process.pid) {
  const door = net.createServer((socket) => {
    // One gateway, once: the next one gets a process of its own.
    door.close();
    new Child(socket, FIRST_SOCKET + 1).run();
  });
  door.listen({ fd: FIRST_SOCKET });
} else new Child(new net.Socket({ fd: FIRST_SOCKET, readable: true, writable: true }), undefined).run();
