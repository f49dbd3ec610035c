/**
 * A deploy whose answer never came: Node-RED ended or hung while it got the flows, and may have saved them before. What it has once
 * it is back tells. Ids of nodes that are added follow from a seed, so the gateway knows which flows it asked for.
 */
import { createHash } from 'node:crypto';
import { addFlows, type FlowNode, freshIds, withoutCredentials } from '../child/add-flows.ts';
import type { DeployOrder } from './flow-client.ts';
import { nodesIn } from './nesting.ts';
import { type FlowsContent, hashOf, parsedList } from './revision-file.ts';

/** `before`: those that it had. `whole`: those that it should get. `flows`: the same, and other passwords. */
export type Arrival = 'before' | 'whole' | 'flows' | 'other';

export class LostDeploy {
  /** Labels of the tabs that were to come. */
  readonly labels: readonly string[];
  readonly mode: DeployOrder['mode'];
  readonly #before: string;
  readonly #flows: string;
  readonly #passwords: string;

  constructor(order: DeployOrder, before: FlowsContent, wanted: FlowsContent) {
    this.mode = order.mode;
    this.#before = hashOf(before);
    const given = nodesOf(wanted.flows);
    const { flows, labels } =
      order.mode === 'add' ? addFlows(nodesOf(before.flows), given, freshIds(order.seed)) : { flows: given, labels: [] };
    this.labels = labels;
    this.#flows = digest(JSON.stringify(flows.map(withoutCredentials)));
    this.#passwords = digest(wanted.credentials);
  }

  /** What has become of it. */
  found(now: FlowsContent): Arrival {
    if (hashOf(now) === this.#before) return 'before';
    if (digest(now.flows) !== this.#flows) return 'other';
    // Only a restore brings passwords.
    return this.mode !== 'restore' || digest(now.credentials) === this.#passwords ? 'whole' : 'flows';
  }
}

/** What Node-RED said that it had may be anything. */
function nodesOf(text: string): FlowNode[] {
  return nodesIn(parsedList(text)) as FlowNode[];
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
