/** Node-RED beside the gateway, and the revisions of its flows. */
import path from 'node:path';
import type { GatewayConfig } from '../config/kinds.ts';
import type { Clock } from '../core/clock.ts';
import type { FlowDeploys } from '../core/flow-deploys.ts';
import type { Logger } from '../core/logger.ts';
import type { GatewayEvent } from '../core/ports.ts';
import type { FlowDoor } from '../node-red/door/door.ts';
import { FlowFiles } from '../node-red/flow-files.ts';
import { Restarts } from '../node-red/restarts.ts';
import { FlowDesk } from '../node-red/revisions/flow-desk.ts';
import { FlowRecorder } from '../node-red/revisions/flow-recorder.ts';
import { bringBack } from '../node-red/revisions/lost-flows.ts';
import { RevisionStore } from '../node-red/revisions/revision-store.ts';
import { Supervisor } from '../node-red/supervisor.ts';
import { wayOf } from '../node-red/ways.ts';

/** In the state directory. */
const REVISIONS = 'flow-revisions';

export interface FlowSide {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: GatewayConfig;
}

export interface FlowPartsOptions {
  readonly tell: (event: GatewayEvent) => void;
  /** UTC ms, and whether it is known. */
  readonly time: () => { readonly utc: number; readonly known: boolean };
  /** The socket of flows. */
  readonly door: FlowDoor;
}

export function flowParts(g: FlowSide, { tell, time, door }: FlowPartsOptions) {
  const { clock, logger } = g;
  const { stateDir } = g.config.gateway;
  const store = new RevisionStore(path.join(stateDir, REVISIONS));
  const address = () => flows.flowAddress;
  const recorder: FlowRecorder = new FlowRecorder({
    ...{ clock, logger, tell, store, address, time },
    lost: () => void bringBack({ logger, tell, store, recorder, address }),
  });
  const files = new FlowFiles(stateDir, logger);
  const flows: Supervisor = new Supervisor({
    ...{ clock, logger, random: Math.random, tell, door, watcher: recorder },
    way: (config) => wayOf(config, { clock, stateDir }),
    secret: () => files.secret(),
    title: () => g.config.gateway.name ?? g.config.gateway.id,
    savedSafeMode: () => files.safeMode(),
    saveSafeMode: (why) => files.saveSafeMode(why),
    disk: { stateDir, minFree: () => g.config.buffer.minFree },
    changed: (state) => restarts.changed(state),
  });
  const status = () => (g.config.nodeRed?.enabled === true ? flows.status() : undefined);
  const revisions = new FlowDesk({ clock, store, recorder, address, status });
  const restarts = new Restarts({ clock, status, deploying: () => revisions.deploying, restart: () => flows.restart() });
  const deploys: FlowDeploys = recorder;
  return { flows, revisions, restarts, deploys };
}
