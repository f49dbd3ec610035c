/** The gateway as the socket for flows sees it. */

import type { Severity } from '../../core/alarm.ts';
import type { CommandPort } from '../../core/commands.ts';
import type { FlowReading, FlowTaken } from '../../core/flow-points.ts';
import type { Inventory, LatestValue, LiveSink, NoticeMessage } from '../../core/ports.ts';
import type { HistoryCall } from './lines.ts';

/** What flows may do; nothing by default. The form of a grant for commands over MQTT (core/remote-commands.ts). */
export interface FlowGrants {
  /** `device.point`, `device.*` or `*`. */
  readonly write?: readonly string[] | undefined;
  /** Names of rules, or `*`. */
  readonly acknowledge?: readonly string[] | undefined;
  readonly shelve?: readonly string[] | undefined;
  readonly reset?: readonly string[] | undefined;
  readonly outOfService?: readonly string[] | undefined;
}

export interface DoorRule {
  readonly severity: Severity;
  /** `device.point` */
  readonly points: readonly string[];
}

export type HistoryReading =
  | {
      readonly time: number;
      readonly value: number | boolean | string | null;
      readonly quality: string;
      readonly reason?: string | undefined;
      readonly clock?: 'estimated' | undefined;
    }
  | Readonly<Record<string, unknown>>;

export interface DoorSource {
  /** Its id. */
  gateway(): string;
  grants(): FlowGrants;
  /** Another object after every change. */
  inventory(): Inventory;
  rules(): ReadonlyMap<string, DoorRule>;
  readonly latest: { get(device: string, point: string): LatestValue | undefined; all(): Iterable<LatestValue> };
  /** The newest transition of each rule that has one. */
  alarms(): Iterable<NoticeMessage>;
  /** UTC ms as known now; UTC ms minus monotonic ms; whether the clock is known. */
  now(): number;
  offset(): number;
  clockKnown(): boolean;
  readonly commands: CommandPort;
  put(reading: FlowReading): FlowTaken;
  /** Readings or roll-ups, oldest first, in pieces that are made when they are asked for. Rejects with `not-found`, `log-read`. */
  history(call: HistoryCall): AsyncIterable<readonly HistoryReading[]>;
  /** In short, for people and programs. */
  status(): object;
  /** @returns ends it */
  feed(sink: LiveSink): () => void;
}
