/** What a link asks of the work that is done with its connections. */
import type { Connection } from './connection.ts';
import type { Courier } from './courier.ts';

export interface LinkVisits {
  due(): Promise<boolean>;
  begins(): void;
  greeted(): void;
  /** What is wrong with how much the broker sends, as the end of "the broker …"; undefined: nothing. */
  excess(): string | undefined;
  done(): void;
  failed(): number;
}

/** What is done with connections. */
export interface LinkWork {
  /** Absent: a connection is always wanted. Otherwise each is made when it is due, and ends with its work. */
  readonly visits?: LinkVisits | undefined;
  /** Before the first connection. */
  ready(): Promise<void>;
  /** Until the connection is over, or `finish` was called and everything left. @throws what ended it */
  run(courier: Courier, connection: Connection): Promise<void>;
  /** The present `run` shall end soon: the gateway stops, or another broker is next. */
  finish(): void;
  /** A connection is over. @returns whether it carried anything */
  over(): boolean;
}
