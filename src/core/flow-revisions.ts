/**
 * Revisions of the flows of Node-RED, as the API shows them, and the port behind it. The node-red room implements the port; the
 * admin room calls it. Times are UTC milliseconds.
 */
import type { FlowState } from './flow-supervisor.ts';

/** Bytes of flows as JSON. Node-RED takes no larger deploy from the editor either. */
export const MOST_FLOWS = 5_000_000;
/** Nodes, tabs and subflows that an import may have. */
export const MOST_NODES = 10_000;

/**
 * How flows came to be what they are. `deploy`: by a request to the editor or by a flow. `found`: Node-RED started with them, and
 * nobody had deployed them while the gateway looked.
 */
export const REVISION_ORIGINS = ['deploy', 'found', 'undo', 'restore', 'import', 'example'] as const;
export type RevisionOrigin = (typeof REVISION_ORIGINS)[number];

export interface RevisionTab {
  readonly label: string;
  /** Nodes on it. */
  readonly nodes: number;
}

/** Labels of tabs against the revision before. `other`: configuration nodes, subflows or tabs beyond the first 100. */
export interface RevisionChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly string[];
  readonly other: boolean;
  /** Passwords of nodes. */
  readonly passwords: boolean;
}

/** What is known of a revision from its beginning, in memory, on disk and in the API. */
export interface RevisionAbout {
  /** From 1. A number is used again only where somebody deleted the file of the newest revision. */
  readonly number: number;
  readonly time: number;
  /** The gateway did not know the time. */
  readonly estimated?: true | undefined;
  /** Who deployed; `unknown` where no request of a person was seen. */
  readonly who: string;
  readonly door?: string | undefined;
  readonly origin: RevisionOrigin;
  /** `undo` and `restore`: the revision whose flows these are; `example`: its name. */
  readonly of?: string | undefined;
  /** SHA-256 of its content, hexadecimal; the API shows the first 16 digits. */
  readonly hash: string;
  /** Length of its flows as JSON. */
  readonly bytes: number;
}

export interface Revision extends RevisionAbout {
  /** Length of its file. */
  readonly stored: number;
  /** The first 100. */
  readonly tabs: readonly RevisionTab[];
  readonly moreTabs: number;
  /** Tabs, subflows and configuration nodes counted. */
  readonly nodes: number;
  /** Node-RED ran with these flows for ten minutes without a fault. */
  readonly ranWell: boolean;
  /** Absent for the oldest one. */
  readonly changes?: RevisionChanges | undefined;
}

export interface FlowsList {
  /** `off`: the configuration has no Node-RED. */
  readonly state: FlowState | 'off';
  /** Why it is in this state, why its flows do not run, or why the newest flows have no revision; in words. */
  readonly faults: readonly string[];
  /** The revision that Node-RED has now; null while there is none of it. */
  readonly current: number | null;
  /** The newest first. */
  readonly revisions: readonly Revision[];
  /** Since the start of the gateway: deploys that waited for their revision because too many came; revisions that were damaged. */
  readonly held: number;
  readonly damaged: number;
}

export interface FlowExample {
  readonly name: string;
  /** What it does, in one sentence. */
  readonly title: string;
  /** The README of it, Markdown. */
  readonly text: string;
  readonly nodes: number;
}

/** All reject with a SluiceError in words for whoever asked. */
export interface FlowRevisions {
  list(): Promise<FlowsList>;
  /** @returns the flows as JSON: an array of nodes. @param number absent: those of now. */
  export(number: number | undefined): Promise<string>;
  examples(): Promise<readonly FlowExample[]>;
}

export interface FlowsResult {
  /** The new revision; null where it could not be kept. */
  readonly revision: number | null;
  /** Whether flows run now. A person may have stopped them in the editor. */
  readonly flows: 'started' | 'stopped';
  /** Passwords of nodes. `lost`: they are of another secret, and the editor asks for them. */
  readonly passwords: 'restored' | 'kept' | 'lost';
  /** Labels of the tabs that came, the first 100. */
  readonly added: readonly string[];
}

/** What changes flows. `newest`: the newest revision that the caller saw; another one is a conflict. */
export type FlowsChange = { readonly newest?: number | undefined } & (
  | { readonly act: 'undo' }
  | { readonly act: 'restore'; readonly revision: number }
  | {
      readonly act: 'import';
      /** `add`: beside what is there, with fresh ids. `replace`: in place of all flows. */
      readonly mode: 'add' | 'replace';
      readonly flows: unknown;
    }
  | { readonly act: 'load'; readonly name: string }
);
