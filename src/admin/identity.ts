/** What a door knows of who calls. */
import type { Principal } from '../core/commands.ts';

/** Who calls, and whether that is still so: a session ends, a token is removed. */
export interface Identity {
  readonly by: Principal;
  /** Absent: for as long as the connection is there. */
  readonly holds?: () => boolean;
}

/** The session of a person in front of a browser, as routes use it. Rejections are those of PeopleAccess. */
export interface WebSession {
  /** What a page sends with each change; undefined: there is no session. */
  readonly csrf: string | undefined;
  /** Sets the cookies of the answer. */
  logIn(name: string, password: string): Promise<{ readonly by: Principal; readonly csrf: string }>;
  logOut(): void;
  /** The host name by which the page was opened, and whether over TLS. */
  readonly at: { readonly hostname: string; readonly tls: boolean; readonly local: boolean };
  /** A ticket to the editor at this origin. @throws SluiceError unauthorized, forbidden */
  ticket(origin: string): string;
  /** Ends every session of this person. */
  changePassword(name: string, password: string, next: string): Promise<void>;
}
