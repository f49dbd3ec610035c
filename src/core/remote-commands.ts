/** Commands that come as messages: from an upstream broker, or from a client of the embedded one. */
import type { Principal } from './commands.ts';
import type { Outward } from './privacy.ts';

/** The commands that a caller may ask for. Everything that is absent is denied. */
export interface Grant {
  /** Points: `device.point`, `device.*` or `*`. */
  readonly write?: readonly string[] | undefined;
  /** Devices, or `*`. */
  readonly read?: readonly string[] | undefined;
  /** Rules, or `*`. */
  readonly ack?: readonly string[] | undefined;
  readonly shelve?: readonly string[] | undefined;
  readonly reset?: readonly string[] | undefined;
  /** Out of service, and in service again. */
  readonly outOfService?: readonly string[] | undefined;
  readonly reload?: boolean | undefined;
  readonly resend?: boolean | undefined;
  /** Node-RED may be started again. */
  readonly restartFlows?: boolean | undefined;
  /** Signed configurations; the signature decides. */
  readonly configure?: boolean | undefined;
}

export interface RemoteCaller {
  readonly by: Principal;
  /** Two owners never share the id of a command: `forwarder:cloud`. */
  readonly owner: string;
  readonly grant: Grant;
  /** What of classified readings it may have. Absent: all of it. */
  readonly outward?: Outward | undefined;
  /** Sends an answer to `…/<kind>/<id>`. Resolves when the far side has it, rejects when the caller is gone. */
  /** Where a plain answer to this id goes, for one that comes later. Absent where the far side takes one answer only. */
  readonly topicOf?: ((id: string) => string | undefined) | undefined;
  readonly answer: (kind: 'result' | 'resend', id: string, json: string) => Promise<void>;
}

export interface RemoteCommands {
  /**
   * Returns at once. A message that is no command is counted and reported.
   * @param retained the broker kept it from an earlier time: nobody asks for it now
   */
  take(payload: Uint8Array, caller: RemoteCaller, retained: boolean): void;
}

/** Whether a list of a grant has that name. It is decided by names alone, so that a refusal says nothing of what there is. */
export function granted(list: readonly string[] | undefined, name: string): boolean {
  return (list ?? []).some((one) => one === '*' || one === name || (one.endsWith('.*') && name.startsWith(one.slice(0, -1))));
}
