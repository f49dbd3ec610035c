/** The config node, and what the edit dialogs ask: which points and rules there are. */
import type { Connection } from './connection.ts';
import type { Address } from './connections.ts';
import { type Config, type Kit, text } from './kit.ts';
import { addressOf, type GatewayNode, ownAddress } from './link.ts';
import type { Request, Response } from './red.ts';
import { expand } from './values.ts';

/** A dialog waits no longer for a gateway that is not connected yet, ms. */
const ASK_WITHIN = 3000;
/** Points and rules in one answer to a dialog. */
const MOST_ENTRIES = 20_000;

export function gatewayNode({ red }: Kit, node: GatewayNode, config: Config): void {
  if (text(config, 'way', 'this') !== 'socket') {
    node.address = ownAddress(red);
    return;
  }
  const socket = expand(red, node, text(config, 'socket')).trim();
  const token = node.credentials?.token ?? '';
  node.address = socket === '' || token === '' ? undefined : { socket, token };
}

export interface Entries {
  /** `none`: no gateway is configured or deployed. */
  readonly state: 'connected' | 'disconnected' | 'none';
  readonly gateway: string;
  readonly points: readonly { readonly point: string; readonly unit?: string; readonly writable: boolean }[];
  readonly rules: readonly { readonly rule: string; readonly severity?: string }[];
  readonly truncated: boolean;
}

/** `GET /sluice/inventory?gateway=<id>` */
export function inventoryRoute(kit: Kit): void {
  const { red, connections } = kit;
  red.httpAdmin.get('/sluice/inventory', red.auth.needsPermission('flows.read'), (request: Request, response: Response) => {
    const { gateway } = request.query;
    const address = addressOf(red, typeof gateway === 'string' ? gateway : undefined);
    // The list changes with the gateway.
    response.setHeader('cache-control', 'no-store');
    if (address === undefined)
      response.json({ state: 'none', gateway: '', points: [], rules: [], truncated: false } satisfies Entries);
    else void ask(connections, address).then((entries) => response.json(entries));
  });
}

async function ask(connections: Kit['connections'], address: Address): Promise<Entries> {
  const { connection, release } = connections.use(address);
  try {
    await inventoryOf(connection);
    return entriesOf(connection);
  } finally {
    release();
  }
}

function inventoryOf(connection: Connection): Promise<void> {
  if (connection.inventory !== undefined) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      end();
      resolve();
    };
    const timer = setTimeout(finish, ASK_WITHIN);
    const end = connection.onChange(() => {
      if (connection.inventory !== undefined || connection.state === 'disconnected') finish();
    });
  });
}

function entriesOf({ state, gateway, inventory }: Connection): Entries {
  const points: Entries['points'][number][] = [];
  const rules: Entries['rules'][number][] = [];
  for (const [device, { points: of }] of Object.entries(inventory?.devices ?? {})) {
    for (const [name, { unit, writable }] of Object.entries(of)) {
      if (points.length < MOST_ENTRIES)
        points.push({ point: `${device}.${name}`, ...(typeof unit === 'string' ? { unit } : {}), writable: writable === true });
    }
  }
  for (const [rule, { severity }] of Object.entries(inventory?.rules ?? {})) {
    if (rules.length < MOST_ENTRIES) rules.push({ rule, ...(typeof severity === 'string' ? { severity } : {}) });
  }
  return {
    state: state === 'connected' ? 'connected' : 'disconnected',
    ...{ gateway, points, rules, truncated: inventory?.truncated === true || points.length === MOST_ENTRIES },
  };
}
