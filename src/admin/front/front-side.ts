/** What the front needs of the gateway. */
import type { PeopleAccess } from '../../core/access-ports.ts';
import type { Clock } from '../../core/clock.ts';
import type { FlowDeploys } from '../../core/flow-deploys.ts';
import type { FlowSupervisor } from '../../core/flow-supervisor.ts';
import type { Asset } from '../assets.ts';
import type { FrontAudit } from './front-audit.ts';

export interface FrontSide {
  readonly clock: Clock;
  readonly people: PeopleAccess;
  /** The names of this gateway, in lower case. The functions are asked at each request: a reload changes what they say. */
  readonly names: () => readonly string[];
  readonly flows: FlowSupervisor;
  readonly deploys: FlowDeploys;
  readonly audit: FrontAudit;
  /** The font for Bangla, of the status page; undefined: its pages are not built. */
  readonly font: Asset | undefined;
  /** The gateway as people call it. */
  readonly title: () => string;
  /** Whether HTTP-in nodes answer everybody. */
  readonly open: () => boolean;
}
