/**
 * A message through the runtime. Two nodes and a flow of our own, which no editor shows and no deploy touches: the message goes out
 * of the first one, through the router and the hooks of Node-RED, into the second. A process that answers HTTP and passes no
 * messages any more is found by that, and one whose event loop hangs as well.
 */
import type { RedFlow, RedFlows, RedNode, RedNodeBase } from './node-red-types.ts';

const ID = 'sluice-check';

export class Heartbeat {
  readonly #first: RedNode;
  readonly #arrived: (n: number) => void;

  /** @param load a part of Node-RED by its name */
  constructor(load: (name: string) => unknown, arrived: (n: number) => void) {
    this.#arrived = arrived;
    const Flows = load('@node-red/runtime/lib/flows/Flow') as RedFlows;
    const Node = load('@node-red/runtime/lib/nodes/Node') as RedNodeBase;
    const nodes = { [`${ID}-in`]: { id: `${ID}-in`, type: ID }, [`${ID}-out`]: { id: `${ID}-out`, type: ID } };
    const parent = { getNode: () => undefined, log: () => {}, handleError: () => false, handleStatus: () => false };
    const flow = Flows.create(parent, {}, { id: ID, nodes, configs: {} });
    const make = (id: string, wires: readonly string[][]): RedNode =>
      node(new Node({ id, type: ID, _flow: flow, wires }), flow, id);
    const last = make(`${ID}-out`, []);
    this.#first = make(`${ID}-in`, [[`${ID}-out`]]);
    this.#first.on('input', (msg, send, done) => {
      send(msg);
      done();
    });
    last.on('input', (msg, _send, done) => {
      if (typeof msg.payload === 'number') this.#arrived(msg.payload);
      done();
    });
  }

  send(n: number): void {
    this.#first.receive({ payload: n });
  }
}

function node(made: RedNode, flow: RedFlow, id: string): RedNode {
  flow.activeNodes[id] = made;
  return made;
}
