/** Registers the node types. Each file of the package calls the one for its type. */
import { alarmAction, write } from './act-nodes.ts';
import { alarmIn } from './alarm-in-node.ts';
import { history, latest, statusNode } from './ask-nodes.ts';
import { Connections } from './connections.ts';
import { gatewayNode, inventoryRoute } from './gateway-node.ts';
import type { Config, Kit } from './kit.ts';
import { readingIn } from './reading-in-node.ts';
import { readingOut } from './reading-out-node.ts';
import type { Red, RedNode } from './red.ts';

/** All nodes of a runtime share its connections. */
export const connections = new Connections();

type Make = (kit: Kit, node: RedNode, config: Config) => void;

const NODES: Readonly<Record<string, readonly [type: string, make: Make]>> = {
  gateway: ['sluice-gateway', gatewayNode],
  'reading-in': ['sluice reading in', readingIn],
  latest: ['sluice latest', latest],
  history: ['sluice history', history],
  write: ['sluice write', write],
  'alarm-in': ['sluice alarm in', alarmIn],
  'alarm-action': ['sluice alarm action', alarmAction],
  'reading-out': ['sluice reading out', readingOut],
  status: ['sluice status', statusNode],
};

/** @param file name of the file of the package, without its ending */
export function register(file: string): (red: Red) => void {
  const [type, make] = NODES[file] ?? [];
  if (type === undefined || make === undefined) throw new Error(`no node is called ${file}`);
  return (red) => {
    const kit: Kit = { red, connections };
    const options = file === 'gateway' ? { credentials: { token: { type: 'password' } } } : {};
    red.nodes.registerType(
      type,
      function (this: RedNode, config: Config) {
        red.nodes.createNode(this, config);
        make(kit, this, config);
      },
      options,
    );
    if (file === 'gateway') inventoryRoute(kit);
  };
}
