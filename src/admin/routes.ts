/** What a route of the local API is. */
import type { ServerResponse } from 'node:http';
import type { Action, Principal } from '../core/commands.ts';

/** Long answers that are under way through one door. */
export interface Slots {
  tails: number;
  captures: number;
  exports: number;
  questions: number;
}

export interface Call {
  readonly asked: URLSearchParams;
  readonly body: Readonly<Record<string, unknown>>;
  readonly res: ServerResponse;
  readonly slots: Slots;
  readonly by: Principal;
}

/**
 * `needs`: the permission is looked at before the route runs. `commands`: the route asks the command port, which decides, and whose
 * audit shows what was asked for.
 */
export type Entry = ({ readonly needs: Action } | { readonly commands: Action }) & {
  readonly run: (call: Call) => void | Promise<void>;
};

export interface Route {
  readonly GET?: Entry;
  readonly POST?: Entry;
}

/** One line of the list of routes. */
export interface Permission {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly action: Action;
  readonly kind: 'needs' | 'commands';
}
