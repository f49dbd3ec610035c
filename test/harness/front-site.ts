/** A gateway with the real Node-RED behind its front: editor, HTTP-in and status page over TLS, and people of each role. */
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { request } from '../../src/admin/client.ts';
import type { FrontStatus } from '../../src/admin/target.ts';
import { type NodeRedSite, nodeRedSite } from './node-red-site.ts';
import { DEADLINE_MS, waitFor } from './wait-for.ts';

export const PASSWORD = 'correct horse battery';
export type DoorName = 'editor' | 'http-in' | 'dashboard';
const TLS = '{host: 127.0.0.1, port: 0, tls: true}';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: string | Buffer;
  readonly cookie?: string;
  /** The loopback address that the client has. */
  readonly from?: string;
  /** Names the origin of the door. */
  readonly own?: boolean;
}

export interface FrontSite extends NodeRedSite {
  /** Keys of the section `nodeRed`, and what follows it. */
  readonly keys: string;
  readonly ports: Readonly<Record<DoorName, number>>;
  origin(door: DoorName): string;
  ask1(door: DoorName, method: string, path: string, sent?: Sent): Promise<Answer>;
  /** Bytes as they are; resolves with all that came when the other side ended, or with what came within `until`. */
  raw(door: DoorName, text: string, until?: RegExp): Promise<string>;
  /** By the form of the door, or by the API of the status page. @returns the cookie of the session */
  logIn(door: DoorName, name: string): Promise<string>;
  addUser(name: string, role: string): Promise<void>;
  door(name: 'editor' | 'http-in'): Promise<FrontStatus>;
  /** A WebSocket handshake. @returns the socket when it was joined, else the answer */
  join(door: DoorName, path: string, headers?: Readonly<Record<string, string | undefined>>): Promise<TLSSocket | string>;
}

/** Anna administers, finn edits flows, vera looks. @param more keys of `nodeRed.http`, sections */
export async function frontSite(t: TestContext, http = '', more = ''): Promise<FrontSite> {
  const keys = `  editor: {listen: ${TLS}}
  http: {listen: ${TLS}${http}}
dashboard: {listen: ${TLS}}
${more}`;
  const site = await nodeRedSite(t, keys);
  const { gateway } = site;
  await gateway.up();
  const addUser = async (name: string, role: string): Promise<void> => {
    await request(gateway.socket, 'POST', '/api/v1/users/add', { name, role, password: PASSWORD });
  };
  await addUser('anna', 'administrator');
  await addUser('finn', 'flow-editor');
  await addUser('vera', 'viewer');
  await site.until('running');
  const ports = await waitFor('three addresses', async () => {
    const { flows, http: dashboard } = await gateway.status();
    const of = (listeners: FrontStatus['listeners'] = []): number =>
      listeners[0]?.fault === undefined ? (listeners[0]?.port ?? 0) : 0;
    const found = {
      editor: of(flows?.front?.editor?.listeners),
      'http-in': of(flows?.front?.['http-in']?.listeners),
      dashboard: of(dashboard?.listeners),
    };
    return Object.values(found).every((port) => port > 0) ? found : undefined;
  });
  const origin = (door: DoorName): string => `https://127.0.0.1:${ports[door]}`;

  // Handshakes are paced, so connections are kept.
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  t.after(() => agent.destroy());
  const ask1: FrontSite['ask1'] = (door, method, path, { headers = {}, body, cookie, from = '127.0.0.1', own = false } = {}) =>
    new Promise((resolve, reject) => {
      const all = { ...(own ? { origin: origin(door) } : {}), ...(cookie === undefined ? {} : { cookie }), ...headers };
      const sent = Object.fromEntries(Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined));
      const req = httpsRequest(
        {
          ...{ host: '127.0.0.1', port: ports[door], method, path, agent, rejectUnauthorized: false, timeout: DEADLINE_MS },
          localAddress: from,
          headers: body === undefined ? sent : { 'content-length': Buffer.byteLength(body), ...sent },
        },
        (res) => {
          let text = '';
          res.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }));
          res.on('error', reject);
        },
      );
      req.on('error', reject);
      req.on('timeout', () => req.destroy(new Error(`no answer to ${method} ${path}`)));
      req.end(body);
    });

  const open = (door: DoorName): TLSSocket => {
    const socket = connect({ host: '127.0.0.1', port: ports[door], rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
    t.after(() => socket.destroy());
    return socket;
  };
  const raw: FrontSite['raw'] = (door, text, until) =>
    new Promise((resolve) => {
      const socket = open(door);
      let got = '';
      socket.on('data', (part: Buffer) => {
        got += part.toString('latin1');
        if (until?.test(got)) socket.destroy();
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(got));
      socket.write(text, 'latin1');
    });

  return {
    ...site,
    ...{ ports, keys, origin, ask1, raw, addUser },
    logIn: async (door, name) => {
      const answer =
        door === 'dashboard'
          ? await ask1(door, 'POST', '/api/v1/session', {
              own: true,
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify({ name, password: PASSWORD }),
            })
          : await ask1(door, 'POST', '/-/log-in', {
              own: true,
              headers: { 'content-type': 'application/x-www-form-urlencoded' },
              body: new URLSearchParams({ name, password: PASSWORD }).toString(),
            });
      const cookie = (answer.headers['set-cookie'] ?? []).find((one) => !one.includes('-mark='))?.split(';')[0];
      if (cookie === undefined) throw new Error(`${name} was not let in: ${answer.status} ${answer.text}`);
      return cookie;
    },
    door: async (name) => {
      const found = (await site.flows()).front?.[name];
      if (found === undefined) throw new Error(`no ${name}`);
      return found;
    },
    join: (door, path, headers = {}) =>
      new Promise((resolve, reject) => {
        const socket = open(door);
        const all = {
          ...{ host: `127.0.0.1:${ports[door]}`, connection: 'Upgrade', upgrade: 'websocket' },
          ...{ 'sec-websocket-version': '13', 'sec-websocket-key': randomBytes(16).toString('base64'), ...headers },
        };
        const lines = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
        let got = '';
        const take = (part: Buffer): void => {
          got += part.toString('latin1');
          if (!got.includes('\r\n\r\n')) return;
          if (got.startsWith('HTTP/1.1 101')) {
            socket.off('data', take);
            resolve(socket);
          }
        };
        socket.on('data', take);
        socket.on('error', () => {});
        socket.on('close', () => (got.startsWith('HTTP/1.1 101') ? undefined : resolve(got)));
        socket.setTimeout(DEADLINE_MS, () => reject(new Error(`no end of ${path}: ${got}`)));
        socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
      }),
  };
}
