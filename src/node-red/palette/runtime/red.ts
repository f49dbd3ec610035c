/** The parts of Node-RED's interface for nodes that the palette uses. They are the same in Node-RED 4 and 5. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export type Message = Record<string, unknown>;
export type Send = (message: Message) => void;
/** With an error: the Catch nodes of the flow get it. */
export type Done = (error?: Error) => void;

export interface Status {
  readonly fill?: 'green' | 'red' | 'yellow' | 'grey';
  readonly shape?: 'dot' | 'ring';
  /** A key of the catalogue, which the editor translates, or a text. */
  readonly text?: string;
}

export interface RedNode {
  readonly id: string;
  readonly type: string;
  readonly name?: string;
  readonly credentials?: Readonly<Record<string, string>>;
  on(name: 'input', listener: (message: Message, send: Send, done: Done) => void): void;
  on(name: 'close', listener: (removed: boolean, done: () => void) => void): void;
  send(message: Message): void;
  status(status: Status): void;
  error(why: string | Error, message?: Message): void;
  warn(text: string): void;
}

export interface Request extends IncomingMessage {
  readonly query: Readonly<Record<string, unknown>>;
}
export interface Response extends ServerResponse {
  json(body: unknown): void;
}
type Handler = (request: Request, response: Response, next: () => void) => void;

export interface Red {
  readonly nodes: {
    createNode(node: RedNode, config: unknown): void;
    registerType(type: string, make: (this: RedNode, config: never) => void, options?: object): void;
    getNode(id: string): RedNode | null;
  };
  readonly util: {
    evaluateNodeProperty(
      value: string,
      type: string,
      node: RedNode,
      message: Message,
      callback: (error: Error | null, result: unknown) => void,
    ): void;
    evaluateNodeProperty(value: string, type: 'env', node: RedNode): unknown;
  };
  readonly settings: { readonly sluice?: unknown };
  readonly auth: { needsPermission(permission: string): Handler };
  readonly httpAdmin: { get(path: string, ...handlers: Handler[]): void };
}
