/**
 * The one port for everything that acts: who asks (a principal), what for (a command), and what came of it. A new command is one
 * member of `Command`, one of `Results` and one handler (src/control/commands.ts); who may is src/access/roles.ts.
 */

import type { AlarmState } from './alarm.ts';
import type { Frame } from './bus-frames.ts';
import type { FlowsChange, FlowsResult } from './flow-revisions.ts';
import type { FlowsRestarted } from './flow-supervisor.ts';
import type { PointType, Sample, Value } from './point.ts';
import type { ReadFault, Written } from './ports.ts';
import type { Outward } from './privacy.ts';

/** Each may also do what those before it may do. A `device` may use the topics that its credential names, and nothing else. */
export const ROLES = ['device', 'viewer', 'flow-editor', 'operator', 'administrator'] as const;
export type Role = (typeof ROLES)[number];

/** The way by which a command comes in. `signal`: to the process; `gateway`: it asks itself. */
export type Door = 'socket' | 'http' | 'https' | 'mqtt' | 'node-red' | 'rule' | 'signal' | 'gateway';

/** Who asks, as the door found out; never what a caller says of himself. */
export interface Principal {
  readonly who: string;
  readonly door: Door;
  readonly role: Role;
  /** Which account it is, where it is one of the gateway: unlike `who`, no other account had this text before or has it now. */
  readonly account?: string | undefined;
}

export type Command =
  | WriteCommand
  | ReadCommand
  | SafeCommand
  | AcknowledgeCommand
  | ShelveCommand
  | ResetCommand
  | OutOfServiceCommand
  | InServiceCommand
  | ReloadCommand
  | ConfigureCommand
  | ResendCommand
  | FlowsCommand
  | RestartFlowsCommand;

export interface WriteCommand {
  readonly do: 'write';
  /** `device.point` */
  readonly point: string;
  /** A text is understood by the type of the point, so that 64-bit numbers can be given whole. */
  readonly value: Value;
}

/** Reads a device between its polls. */
export interface ReadCommand {
  readonly do: 'read';
  readonly device: string;
  /** With what is on the line of a serial instrument meanwhile. */
  readonly raw?: boolean;
}

/** Sets a point to its configured safe value, before everything else on its bus. */
export interface SafeCommand {
  readonly do: 'safe';
  /** `device.point` */
  readonly point: string;
}

export interface AcknowledgeCommand {
  readonly do: 'acknowledge';
  readonly rule: string;
  /** Only this activation of the rule; absent: the newest. */
  readonly occurrence?: number | undefined;
}

export interface ShelveCommand {
  readonly do: 'shelve';
  readonly rule: string;
  /** Milliseconds; null: it is not shelved any longer. */
  readonly for: number | null;
  readonly reason?: string | undefined;
}

/** A latched alarm is normal again. */
export interface ResetCommand {
  readonly do: 'reset';
  readonly rule: string;
  /** Only this activation of the rule; absent: the newest. */
  readonly occurrence?: number | undefined;
}

/** Nothing of the alarm is reported until it is in service again. */
export interface OutOfServiceCommand {
  readonly do: 'out-of-service';
  readonly rule: string;
  readonly reason: string;
  /** Milliseconds. Absent: until a person puts it in service. */
  readonly for?: number | undefined;
}

export interface InServiceCommand {
  readonly do: 'in-service';
  readonly rule: string;
}

/** What operators do with an alarm beside acknowledging and shelving it. */
export type AlarmCommand = ResetCommand | OutOfServiceCommand | InServiceCommand;

/** Reads the configuration file again and puts it in force. */
export interface ReloadCommand {
  readonly do: 'reload';
}

/** Puts a configuration in force that upstream signed. It is on trial first. */
export interface ConfigureCommand {
  readonly do: 'configure';
  readonly version: number;
  readonly yaml: string;
  /** base64url of 64 bytes. */
  readonly signature: string;
  /** UTC milliseconds. The signature covers it. */
  readonly expires?: number | undefined;
}

/** Records again, outside of the order of delivery. */
export type ResendCommand = {
  readonly do: 'resend';
  /** `device` or `device.point`; absent: all. */
  readonly points?: readonly string[] | undefined;
} & (
  | {
      /** Id of a log, and the numbers that are wanted. */
      readonly log: string;
      readonly first: number;
      readonly last: number;
    }
  | {
      /** UTC ms, inclusive. */
      readonly from: number;
      readonly to: number;
    }
);

/** Changes the flows of Node-RED. */
export type FlowsCommand = { readonly do: 'flows' } & FlowsChange;

/** Ends Node-RED and starts it again, with the same flows. */
export interface RestartFlowsCommand {
  readonly do: 'restart-flows';
}

export interface WriteResult extends Written {
  readonly point: string;
  readonly type: PointType | undefined;
  readonly unit?: string | undefined;
}

export interface ReadResult {
  readonly device: string;
  readonly samples: readonly Sample[];
  /** Requests that came to nothing; their readings are bad. */
  readonly faults: readonly ReadFault[];
  readonly frames?: readonly Frame[] | undefined;
}

export interface AlarmResult {
  readonly rule: string;
  readonly state: AlarmState;
  /** The words with which the alarm began, or those of its shelving. */
  readonly message: string;
  /** UTC ms as known now, at which the shelving ends. */
  readonly until?: number | undefined;
}

export interface ReloadResult {
  /** What was added, changed or removed; empty when nothing was. */
  readonly changes: readonly string[];
  readonly warnings: readonly string[];
}

export interface Results {
  readonly write: WriteResult;
  readonly read: ReadResult;
  readonly safe: Written;
  readonly acknowledge: AlarmResult;
  readonly shelve: AlarmResult;
  readonly reset: AlarmResult;
  readonly 'out-of-service': AlarmResult;
  readonly 'in-service': AlarmResult;
  readonly reload: ReloadResult;
  /** It is on trial until then, UTC ms; the outcome follows as a second answer. */
  readonly configure: { readonly version: number; readonly state: 'trial'; readonly until: number };
  readonly resend: {
    readonly records: number;
    readonly parts: number;
    /** There is more than one command brings: where the next one begins. */
    readonly next?: { readonly log: string; readonly seq: number };
  };
  readonly flows: FlowsResult;
  /** It comes when the next process passes messages. */
  readonly 'restart-flows': FlowsRestarted;
}

/** Looking: at whether the process lives, at the state and the readings of now, at the log, and at what the broker says of itself. */
export type Look = 'health' | 'status' | 'readings' | 'history' | 'broker-status';
/** Bundles and receipts; flows of Node-RED; the configuration as it is and its change; users, devices and tokens; the claim with the code, and the code. */
export type Manage = 'bundle' | 'flows' | 'configuration' | 'accounts' | 'claim' | 'claim-code';
/** A log-in; and of somebody who is logged in: who he is, his own password, the end of his session. */
export type Own = 'log-in' | 'session';
/** What needs permission: the commands, looking at the wire, and the rest. */
export type Action = Command['do'] | 'exchange' | 'capture' | Look | Manage | Own;

export interface RunOptions {
  /** Called before the command acts, and again before each step that waited. It throws where the command may not begin any more. */
  readonly begin?: (() => void) | undefined;
  /** Takes a part of a long answer (resend), as JSON. Resolves when there is space for the next one. */
  readonly part?: ((json: string) => Promise<void>) | undefined;
  /** What of classified readings whoever asks may have (resend). Absent: all of it. */
  readonly outward?: Outward | undefined;
  /** For a command whose outcome comes later: whose it is, and where a second answer goes. */
  readonly later?: LaterAnswer | undefined;
}

export interface LaterAnswer {
  /** The id of the command. */
  readonly id: string;
  /** As in the ledger of ids: `forwarder:cloud`. */
  readonly owner: string;
  /** Absent where the far side takes one answer only. */
  readonly topic?: string | undefined;
}

/** What a caller of the API may say of a command beside it. */
export interface Asking {
  /** One id of a caller acts once. */
  readonly id?: string | undefined;
  /** UTC ms; the command does not begin after it. */
  readonly expires?: number | undefined;
}

export interface CommandPort {
  /** Rejects with a SluiceError in words for whoever asked. What changes something is reported by an event, whatever comes of it. */
  run<C extends Command>(command: C, by: Principal, options?: RunOptions): Promise<Results[C['do']]>;
  /** For what has a way of its own. @throws SluiceError forbidden, not-running */
  permit(action: Action, by: Principal): void;
}
