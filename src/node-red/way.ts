/** How the Node-RED process is started and ended: as a child, or as a unit of systemd. */
import type { FlowStatus } from '../core/flow-supervisor.ts';
import type { DoorPlace } from './door/place.ts';
import type { FromChild, ToChild } from './messages.ts';

export interface ProcessListener {
  message(message: FromChild): void;
  /** A line that the process printed past its log: V8 writes there why it ends. */
  output(line: string): void;
  /** Once, when nothing of it is left. @param why completes "… ended because" */
  ended(why: string): void;
}

export interface FlowProcess {
  readonly pid: number | undefined;
  send(message: ToChild): void;
  /** Asks it to end. */
  end(): void;
  /** Ends it and everything it started, at once. */
  kill(): void;
}

/** One for each version of the settings. */
export interface FlowWay {
  readonly runsAs: FlowStatus['runsAs'];
  /** Ends what an earlier daemon left. Rejects where it cannot be ended: nothing may start then. */
  clear(): Promise<void>;
  /** Rejects with a SluiceError where nothing was started; its message says what is missing and what to do. */
  start(listener: ProcessListener): Promise<FlowProcess>;
  /** Where the process listens for the editor, as it is known inside the process; undefined: it gets the socket from systemd. */
  readonly socket: string | undefined;
  /** The folder of Node-RED. */
  readonly folder: string;
  /** Where the socket for flows lies, for the user of the process. */
  door(): Promise<DoorPlace>;
  /** The process is ready: the path under which only the gateway reaches the editor. Rejects where that is not safe. */
  adopt(): Promise<string>;
}
