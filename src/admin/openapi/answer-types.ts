/** The type of each answer, by the name that a route gives it. Types only: nothing of this is loaded. */
import type { AccessState, DeviceInfo, TokenInfo, UserInfo } from '../../core/access-ports.ts';
import type { Role } from '../../core/commands.ts';
import type { FlowExample, FlowsList, FlowsResult } from '../../core/flow-revisions.ts';
import type { FlowState, FlowsRestarted } from '../../core/flow-supervisor.ts';
import type { BundleKeyReply, ReceiptReply } from '../bundles.ts';
import type { AlarmChanges } from '../live/live-types.ts';
import type { HistoryReply, RemovedReply, WaitingReply } from '../log-questions.ts';
import type { StatusReport } from '../metric.ts';
import type { TailMissed } from '../tail-stream.ts';
import type { AlarmReply, ReadReply, ReadyReport, ReloadReply, ResendReply, TailItem, WriteReply } from '../target.ts';
import type { CaptureHead, ExchangeReply, WireFrame } from '../wire-target.ts';

/** A message of records that come again, as control/remote/resend.ts makes it. */
interface ResendPart {
  readonly v: 1;
  readonly gateway: string;
  readonly log: string;
  readonly boot: string;
  readonly part: number;
  readonly first: number;
  readonly last: number;
  readonly clock?: 'estimated' | undefined;
  readonly records: readonly object[];
}

export interface Answers {
  readonly Empty: object;
  readonly Health: { readonly status: 'ok' };
  readonly Ready: ReadyReport;
  readonly Status: StatusReport;
  readonly TailLine: TailItem | TailMissed;
  readonly History: HistoryReply;
  readonly AlarmChanges: AlarmChanges;
  readonly Removed: RemovedReply;
  readonly Waiting: WaitingReply;
  readonly BundleKey: BundleKeyReply;
  readonly Receipt: ReceiptReply;
  readonly Reading: ReadReply;
  readonly Written: WriteReply;
  readonly Alarm: AlarmReply;
  readonly Reload: ReloadReply;
  readonly ResendLine: ResendPart | (ResendReply & { readonly type: 'end' });
  readonly Exchange: ExchangeReply;
  readonly CaptureLine: CaptureHead | WireFrame | { readonly type: 'missed'; readonly frames: number };
  readonly Flows: FlowsList;
  readonly FlowNodes: readonly object[];
  readonly FlowExamples: { readonly examples: readonly FlowExample[] };
  readonly FlowsChanged: FlowsResult;
  readonly FlowsRestarted: FlowsRestarted;
  readonly Users: { readonly users: readonly UserInfo[]; readonly devices: readonly DeviceInfo[] };
  readonly NewPassword: { readonly password?: string | undefined };
  readonly Tokens: { readonly tokens: readonly TokenInfo[] };
  readonly NewToken: { readonly id: string; readonly token: string; readonly expires: number };
  readonly ClaimState: { readonly state: AccessState; readonly fault?: string | undefined; readonly code: string | null };
  readonly Claimed: { readonly name: string; readonly role: Role };
  readonly Editor: { readonly on: boolean; readonly state?: FlowState | undefined };
  readonly EditorEntry: { readonly url: string };
  readonly Session: { readonly name: string; readonly role: Role; readonly csrf?: string | undefined };
  readonly ClaimCode: { readonly code: string };
  /** OpenAPI 3.1. */
  readonly Description: {
    readonly openapi: string;
    readonly info: object;
    readonly servers: readonly object[];
    readonly paths: object;
    readonly components: object;
    readonly security: readonly object[];
  };
}

export type AnswerName = keyof Answers;
