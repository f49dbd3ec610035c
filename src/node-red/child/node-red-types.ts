/** The parts of Node-RED 5.0.7 that are used here. The version is exact (node-red/package.json), so its inner parts stay as they are. */
import type { RequestListener, Server } from 'node:http';
import type { FlowNode } from './add-flows.ts';

export interface RedMessage {
  readonly level: number;
  readonly msg: unknown;
  readonly id?: string;
  readonly type?: string;
  readonly name?: string;
}

export interface Red {
  init(server: Server, settings: Readonly<Record<string, unknown>>): void;
  start(): Promise<void>;
  stop(): Promise<void>;
  version(): string;
  readonly httpAdmin: RequestListener;
  readonly httpNode: RequestListener;
  readonly events: {
    on(name: string, listener: (event: never) => void): unknown;
    off(name: string, listener: (event: never) => void): unknown;
  };
}

/** `@node-red/runtime/lib/flows/index.js`: `runtime-state` comes with each start and stop of the flows. */
export interface RuntimeEvent {
  readonly id?: string;
  readonly payload?: {
    /** `missing-types` and `missing-modules`: the flows do not start. */
    readonly error?: string;
    readonly types?: readonly string[];
    readonly modules?: readonly { readonly module: string }[];
  };
}

export interface RedNode {
  on(
    name: 'input',
    listener: (msg: Record<string, unknown>, send: (msg: unknown) => void, done: (error?: Error) => void) => void,
  ): void;
  receive(msg: Record<string, unknown>): void;
}

/** `@node-red/runtime/lib/nodes/Node`: the base of every node. */
export type RedNodeBase = new (config: unknown) => RedNode;

/** `@node-red/runtime/lib/flows/Flow`. */
export interface RedFlows {
  create(parent: unknown, global: unknown, flow: unknown): RedFlow;
}
export interface RedFlow {
  getNode(id: string): RedNode | undefined;
  readonly activeNodes: Record<string, RedNode>;
}
/** `@node-red/runtime/lib/flows`. */
export interface RedRuntimeFlows {
  state(): string;
  /** null: they could not be read. */
  getFlows(): { readonly flows: readonly FlowNode[]; readonly rev: string } | null;
}
/** `@node-red/runtime/lib/api/flows`: what the routes of the editor call. */
export interface RedFlowsApi {
  /** Rejects with the code `version_mismatch` where the flows are not of this `rev` any more. */
  setFlows(asked: {
    /** Absent where the flows are read again. */
    readonly flows?: { readonly rev: string; readonly flows: readonly FlowNode[]; readonly credentials?: object };
    readonly deploymentType: 'full' | 'flows';
    readonly user: null;
  }): Promise<unknown>;
  /** The switch of the editor: `start` or `stop`. */
  setState(asked: { readonly state?: string }): Promise<unknown>;
}
/** `@node-red/runtime/lib/flows/util`: each change of flows goes through it, before anything is saved. */
export interface RedFlowUtil {
  parseConfig(config: unknown): unknown;
}
/** `@node-red/runtime/lib/storage`: what is on the disk. */
export interface RedStorage {
  saveCredentials(credentials: object): Promise<void>;
  getFlows(): Promise<{ readonly credentials: object }>;
}
/** `@node-red/registry`. */
export interface RedRegistry {
  get(type: string): unknown;
}
