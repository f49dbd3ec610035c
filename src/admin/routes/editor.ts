/** From the status page to the editor of flows, which has an address and a session of its own. */
import { SluiceError } from '../../core/errors.ts';
import type { HttpStatus } from '../target.ts';
import { keys } from './fields.ts';
import { type Call, jsonRoute, type Route } from './route.ts';

export const EDITOR: readonly Route[] = [
  jsonRoute({
    ...{ method: 'GET', path: '/api/v1/editor', needs: 'flows', answer: 'Editor' },
    says: 'Whether the editor of flows has an address that browsers can open (`nodeRed.editor`), and the state of Node-RED.',
    run: (_, { target }) => {
      const flows = target.flowsReport();
      return { on: flows?.front?.editor !== undefined, ...(flows === undefined ? {} : { state: flows.state }) };
    },
  }),
  jsonRoute({
    ...{ method: 'POST', path: '/api/v1/editor', needs: 'flows', answer: 'EditorEntry', body: keys({}) },
    says: 'A link to the editor of flows for the person who is logged in. It works once, within 30 seconds, at this one address.',
    example: {},
    run: (_, call) => {
      const { session } = call;
      if (session?.csrf === undefined)
        throw new SluiceError(
          'request-invalid',
          'only people in front of a browser get a link; the socket and a token need none',
        );
      const origin = originOf(call, session.at);
      return { url: `${origin}/-/enter?ticket=${session.ticket(origin)}` };
    },
  }),
];

/** The address of the editor that this browser can reach. */
function originOf({ target }: Call, at: { hostname: string; tls: boolean; local: boolean }): string {
  const listeners: HttpStatus['listeners'] = target.flowsReport()?.front?.editor?.listeners ?? [];
  const reached = listeners.filter(({ fault, host }) => fault === undefined && (at.local || !isLoopback(host)));
  // With the same scheme it is the same site, and the browser takes the cookie along.
  const listener = reached.find(({ tls }) => tls === at.tls) ?? reached[0];
  if (listener === undefined)
    throw new SluiceError(
      'not-running',
      listeners.length === 0
        ? 'the editor has no address; set nodeRed.editor in the configuration'
        : 'the editor listens for this machine only, or its address waits; look at nodeRed.editor and the status of the gateway',
    );
  return new URL(`${listener.tls ? 'https' : 'http'}://${at.hostname}:${listener.port}`).origin;
}

const isLoopback = (host: string): boolean => /^(?:localhost|127\.|::1$)/.test(host);
