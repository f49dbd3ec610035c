/**
 * How forwarders and the admin room meet accounts. src/access implements these; the gateway room hands them over. Every log-in
 * rejects with a SluiceError: `unauthorized` (the same words, independent of what was wrong) or `throttled` (too many failed tries; only a
 * right secret of a device or a right token is still accepted).
 */
import type { Door, Principal, Role } from './commands.ts';

/** Where a log-in comes from. */
export interface Caller {
  /** Address of the peer; undefined on a Unix socket. */
  readonly address: string | undefined;
  readonly door: Door;
}

/** A principal with what it may do on the embedded broker. */
export interface MqttCredential {
  readonly principal: Principal;
  /** The key of sessions: two credentials never share a session. `user:anna`, `device:plug-1`, `token:k3v9q2ab`, `anonymous`. */
  readonly owner: string;
  /** Topic filters that it may subscribe to, beside what its role allows. */
  readonly subscribe: readonly string[];
  /** Topic filters: it may publish to what they match, beside what its role allows. */
  readonly publish: readonly string[];
}

export interface MqttLogin {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: Uint8Array | undefined;
  /** SHA-256 of the DER certificate that the peer proved to own, lower-case hex. */
  readonly certificate: string | undefined;
  readonly caller: Caller;
}

export interface MqttAccess {
  /** It does not block the event loop; one slow hash runs at a time in the whole process. */
  logIn(login: MqttLogin): Promise<MqttCredential>;
  /** Whether the gateway has its first administrator. Until then clients of loopback may log in without a name, and only look. */
  readonly claimed: boolean;
  /** Whether somebody can log in as this owner, or may again: the file of accounts cannot be read. */
  has(owner: string): boolean;
  /** Calls back when a credential was removed, changed or has expired: its connections end. @returns ends it */
  onRevoked(listener: (owner: string) => void): () => void;
}

/**
 * Where a session holds: the gateway's own pages and API, the editor of flows, HTTP-in nodes. Cookies are shared by all ports of a
 * host, so a session of one counts for nothing at the others.
 */
export const REALMS = ['gateway', 'editor', 'http-in'] as const;
export type Realm = (typeof REALMS)[number];

export interface PersonLogin {
  /** Default: gateway. Another one rejects with `forbidden` who may not use flows. */
  readonly realm?: Realm | undefined;
  readonly name: string;
  readonly password: string;
  readonly caller: Caller;
  /** What an earlier log-in gave to this browser: its tries have a budget of their own. */
  readonly mark?: string | undefined;
}

/** A new session of a person. Both texts are given once, and kept as hashes only. */
export interface NewSession {
  /** 128 random bits as text, for a cookie that scripts cannot read. */
  readonly id: string;
  /** For a cookie that lives longer than the session; `mark` of later log-ins. */
  readonly mark: string;
  readonly principal: Principal;
}

/** People and programs behind HTTPS. */
export interface PeopleAccess {
  readonly claimed: boolean;
  logIn(login: PersonLogin): Promise<NewSession>;
  /** Whose session it is; using it keeps it alive. undefined: there is none, or it is over. */
  session(id: string, door: Door, realm?: Realm): Principal | undefined;
  /** Ends a session, with those that its tickets opened. */
  logOut(id: string): void;
  /** A ticket for one log-in at the editor within 30 s. @param origin of the editor. @throws SluiceError unauthorized, forbidden */
  ticket(session: string, door: Door, origin: string): string;
  /** The session of a ticket, in the realm `editor`. @throws SluiceError unauthorized: used, too old, for another origin; forbidden */
  redeem(ticket: string, origin: string, caller: Caller): Omit<NewSession, 'mark'>;
  /** Whose token it is. Rejects with `unauthorized`, or with `throttled` after many wrong ones. */
  token(text: string, caller: Caller): Promise<Principal>;
  /** Whether a session or a token that was right still is. It does not keep a session alive. */
  holds(credential: { readonly session: string; readonly realm?: Realm } | { readonly token: string }): boolean;
  /** Calls back when sessions or tokens ended before their time. @returns ends it */
  onRevoked(listener: () => void): () => void;
  /**
   * The first administrator, with the claim code. Rejects with `unauthorized` (wrong code), `throttled`, `exists` (it is claimed),
   * `request-invalid` (name or password), `access-write`.
   */
  claim(request: ClaimRequest): Promise<Principal>;
  /** A person's own password. It ends every session of that person. Rejects as `logIn`, and with `request-invalid`. */
  changePassword(change: PersonLogin & { readonly next: string }): Promise<void>;
}

export interface ClaimRequest {
  readonly code: string;
  readonly name: string;
  readonly password: string;
  readonly caller: Caller;
}

export interface UserInfo {
  readonly name: string;
  readonly role: Role;
  /** Open sessions. */
  readonly sessions: number;
}
/** Something that speaks MQTT with a credential of its own. */
export interface DeviceInfo {
  readonly name: string;
  readonly credential: 'password' | 'certificate';
  /** SHA-256 of its certificate. */
  readonly certificate?: string | undefined;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}
export interface TokenInfo {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** UTC milliseconds. */
  readonly expires: number;
  readonly expired: boolean;
}
export interface NewDevice {
  readonly name: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** SHA-256 of the DER certificate, hex; absent: a password is made. */
  readonly certificate?: string | undefined;
}
export interface NewToken {
  readonly name: string;
  readonly role: Role;
  /** How long it holds, milliseconds. */
  readonly lasts: number;
}

/** `unclaimed`: no administrator yet. `locked`: there were accounts, and they cannot be read: nobody gets in but on the Unix socket. */
export type AccessState = 'unclaimed' | 'claimed' | 'locked';

export interface AccessStatus {
  readonly state: AccessState;
  /** What is wrong with the files, in words. */
  readonly fault?: string | undefined;
  readonly users: number;
  readonly devices: number;
  readonly tokens: number;
  readonly sessions: number;
  /** Since the start. `throttled` were refused without a check. */
  readonly logIns: { readonly accepted: number; readonly refused: number; readonly throttled: number };
}

/**
 * Accounts as an administrator manages them. Every call is audited. Rejects with `request-invalid`, `exists`, `not-found`,
 * `throttled` (too many slow hashes wait), `access-write` (the file cannot be written; nothing changed), `access-locked`.
 */
export interface AccountsAdmin {
  status(): AccessStatus;
  users(): { readonly users: readonly UserInfo[]; readonly devices: readonly DeviceInfo[] };
  tokens(): readonly TokenInfo[];
  addUser(user: { readonly name: string; readonly role: Role; readonly password: string }, by: Principal): Promise<void>;
  /** @returns the password of the device, shown once; undefined where it has a certificate */
  addDevice(device: NewDevice, by: Principal): Promise<string | undefined>;
  /** A new password for a person. */
  setPassword(name: string, password: string, by: Principal): Promise<void>;
  /** A new password for a device. @returns it, shown once */
  renewSecret(name: string, by: Principal): Promise<string>;
  setRole(name: string, role: Role, by: Principal): Promise<void>;
  /** A person or a device. */
  removeUser(name: string, by: Principal): Promise<void>;
  /** @returns the token, shown once */
  addToken(token: NewToken, by: Principal): Promise<{ readonly id: string; readonly token: string; readonly expires: number }>;
  /** @param name of the token, or its id */
  removeToken(name: string, by: Principal): Promise<void>;
  /** The claim code; undefined once the gateway is claimed. */
  claimCode(): string | undefined;
  /** Removes every account and makes a new claim code. @returns the code */
  claimAgain(by: Principal): Promise<string>;
}
