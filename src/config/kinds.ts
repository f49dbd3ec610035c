/**
 * What a kind (driver, rule kind, forwarder, format) brings to the configuration. The config room knows no kinds: the
 * registry of the gateway room hands it these lists, and everything else (types, defaults, faults, JSON Schema,
 * reference page) follows from their schemas.
 *
 * Every schema describes what a person writes; its output is what the kind's `create` receives. Each key carries
 * `.describe('…')`, a sentence for the reference page.
 */

import type * as z from 'zod';
import type { Severity } from '../core/alarm.ts';
import type { Language, Texts } from '../core/languages.ts';
import type { Storage, Value } from '../core/point.ts';
import type { PrivacyClass } from '../core/privacy.ts';
import type { Grant } from '../core/remote-commands.ts';
import type { ResolvedAction, ResolvedEscalation, ResolvedHook } from './actions.ts';
import type { NodeRedConfig } from './node-red.ts';
import type { ResolvedPrivacy } from './privacy.ts';
import type { QualityPolicy } from './rule-policy.ts';

/** A bus protocol, for example `modbus-rtu`. */
export interface DriverKind {
  /** The word under `buses.<name>.protocol`. */
  readonly protocol: string;
  /** Profiles are written for a family (`modbus`, `serial`); all protocols of a family share device and point schemas. */
  readonly family: string;
  /**
   * How readings come. `asked`: devices answer requests on a wire. `line`: they talk on a wire, which a command can open as well.
   * `gateway`: only a running gateway hears them.
   */
  readonly heard: 'asked' | 'line' | 'gateway';
  /** Keys of the bus besides `protocol`. Strict object. */
  readonly bus: z.ZodObject;
  /** Keys of a device besides `bus`, `profile`, `points`; for example `unit`, `interval`. Strict object. A profile may give any of them (its `device:` section). */
  readonly device: z.ZodObject;
  /** One point, complete (after profile defaults and inheritance were merged in). Strict object. */
  readonly point: z.ZodObject;
  /** Line settings that a profile may recommend (its `line:` section), checked against the bus with a warning. */
  readonly line: z.ZodObject;
  /** Name of the bus as a wire, for "two buses on one port": serial path, or `host:port`. */
  wire(bus: Readonly<Record<string, unknown>>): string;
  /** Settings of a bus that are allowed and can hardly be meant; path is relative to the bus. */
  busWarnings?(bus: Readonly<Record<string, unknown>>, around?: Around): readonly { path: readonly string[]; message: string }[];
  /** What distinguishes two devices on one bus (the Modbus unit); undefined where a bus has only one device. Or `beside`. */
  address?(device: Readonly<Record<string, unknown>>): string | undefined;
  /** What a device must not share with the others on its bus, where no address distinguishes them; path is relative to it. */
  beside?(
    device: ResolvedDevice,
    others: readonly ResolvedDevice[],
  ): readonly { path: readonly (string | number)[]; message: string }[];
  /** Rules between keys that a schema cannot say; path is relative to the device. */
  checkDevice?(device: ResolvedDevice, around?: Around): readonly { path: readonly (string | number)[]; message: string }[];
  /**
   * Settings of a device that are allowed and can hardly be meant; path is relative to the device.
   * @param written a value as it stands in the file: `0x10` and 16 are one number
   */
  deviceWarnings?(
    device: ResolvedDevice,
    written: (path: readonly (string | number)[]) => string | undefined,
  ): readonly { path: readonly (string | number)[]; message: string }[];
  /**
   * What only the whole configuration shows, of all devices of this kind; path is relative to the device.
   * @param find a point of any device
   */
  checkAmong?(
    devices: readonly ResolvedDevice[],
    find: (device: string, point: string) => KnownPoint,
  ): readonly { device: string; path: readonly (string | number)[]; message: string }[];
  /** Whether further points of a device come while it runs, so that none needs to be written. @param settings output of `device` */
  growing?(settings: Readonly<Record<string, unknown>>): boolean;
  /** Points that follow from those of a device and that rules may watch as well; of their settings only type, unit and `of`: the point that they follow from. */
  derivedPoints?(points: ResolvedDevice['points']): ResolvedDevice['points'];
  /** Why a value may not be written to a point that has `write:`, in words without its name; undefined when it may. */
  writeFault?(device: ResolvedDevice, point: string, value: Value): string | undefined;
  /** Points that follow from others, with what they follow from as `device.point`. Absent: none do. */
  pointInputs?(device: ResolvedDevice): ReadonlyMap<string, readonly string[]>;
  /** The class of a point for which nobody wrote one. Absent: none has one. */
  privacyOf?(
    device: Pick<ResolvedDevice, 'settings'>,
    point: string,
    settings: Readonly<Record<string, unknown>>,
  ): PrivacyClass | undefined;
  /** Why a device cannot be the clock of the gateway, in words; undefined when it can. Absent: none can. */
  clockFault?(device: ResolvedDevice): string | undefined;
  /**
   * What the devices ask of their bus. Pure. Absent: nothing can be said, or devices talk by themselves.
   * @param measured what a running or an earlier gateway measured of them
   */
  budget?(bus: ResolvedBus, devices: readonly ResolvedDevice[], measured?: MeasuredTimes): BusBudget;
}

/** A point as another one of the configuration finds it. `missing`: there is none, in words. `hidden`: a fault hides what it is. */
export type KnownPoint =
  | { readonly missing: string }
  | { readonly hidden: true }
  | { readonly storage: Storage | undefined; readonly unit: string | undefined };

/** Milliseconds, by keys that the driver makes. */
export interface MeasuredTimes {
  get(key: string): number | undefined;
}

/** A request that a driver makes again and again. */
export interface PlannedRequest {
  readonly device: string;
  readonly table: string;
  readonly start: number;
  /** For a SunSpec device: `start` counts from the first register of this model, which is found on the wire only. */
  readonly model?: string | undefined;
  /** Registers or bits. */
  readonly count: number;
  readonly points: readonly string[];
  /** Milliseconds. */
  readonly interval: number;
  /** Predicted milliseconds, pauses included. */
  readonly time: number;
  /** On the wire, request and reply. */
  readonly bytes: number;
}

/** What a bus is asked to carry. A cycle is every request once. */
export interface BusBudget {
  readonly bus: string;
  /** For people: `modbus-rtu, 9600 baud 8N1`. */
  readonly wire: string;
  readonly requests: readonly PlannedRequest[];
  /** How long each device is counted to take until it answers, ms, and where that is from. */
  readonly answers: readonly {
    readonly device: string;
    readonly time: number;
    readonly from: 'configured' | 'measured' | 'assumed';
  }[];
  /** How many registers a cycle reads. */
  readonly registers: number;
  readonly bits: number;
  readonly bytes: number;
  /** Predicted milliseconds of a cycle. */
  readonly cycle: number;
  /** Wire time per time; 1 is all that the bus carries. */
  readonly utilisation: number;
  /** Why it is too much, and what would fit. */
  readonly warning?: string | undefined;
}

/** The parts of the rest of the configuration that a device may depend on. */
export interface Around {
  /** There is a forwarder. */
  readonly upstream: boolean;
  /** There is an embedded broker. */
  readonly broker: boolean;
  /** Node-RED is switched on. */
  readonly nodeRed: boolean;
}

/** A point that a condition looks at. */
export interface RuleInput {
  /** `device.point` */
  readonly point: string;
  /** Where it is written, relative to the key of the kind. */
  readonly at: readonly (string | number)[];
  readonly needs: 'number' | 'any';
}

/** The points of the site, for conditions that name them. */
export interface KnownPoints {
  /** @returns a sentence that says why there is no such point, or its unit and how its values are held (undefined: only readings show that) */
  find(point: string): { readonly fault: string } | { readonly storage: Storage | undefined; readonly unit?: string | undefined };
  all(): Iterable<string>;
}

/** What a kind learns of the rest of the configuration. Paths are relative to its key. */
export interface RuleAround {
  readonly points: KnownPoints;
  /** @param offset letters of a text before the place that is meant */
  fault(at: readonly (string | number)[], message: string, offset?: number): void;
}

/** One key of a rule that says what is compared: `above`, `below`, … */
export interface RuleKindSchema {
  readonly key: string;
  /** The value beside the key, for example a number for `above`. */
  readonly schema: z.ZodType;
  /** The sentence for the reference page. */
  readonly doc: string;
  /** `number`: the point must have numeric storage; `any`: every point will do. */
  readonly needs: 'number' | 'any';
  /** It only advises: its alarm is never critical, does nothing, and is shelved with a reason only. */
  readonly advisory?: true;
  /** What the schema of one key cannot say (`deadband` is 0 when not given), as a sentence; undefined when all is well. */
  check?(setting: unknown, deadband: number): string | undefined;
  /** Points beside `point:` that the condition looks at. Absent: none. @param setting the output of `resolve`, or else of `schema` */
  inputs?(setting: unknown): readonly RuleInput[];
  /** `false`: the rule has no `point:`. Its inputs are its points, and the first of them is the point of the alarm. */
  readonly own?: false | undefined;
  /**
   * What the condition is, where that depends on the points of the site: plain data, a part of the rule's identity.
   * @param setting the output of `schema` @returns undefined: a fault was reported
   */
  resolve?(setting: unknown, around: RuleAround): unknown;
}

/** A destination, for example `mqtt`. */
export interface ForwarderKind {
  readonly type: string;
  /** All keys besides `type`. Strict object. */
  readonly forwarder: z.ZodObject;
  /** Forwarders with the same destination are refused (two log forwarders with one broker and topic root). */
  destination(forwarder: Readonly<Record<string, unknown>>): string | readonly string[];
  /**
   * Why a rule may not send messages there, in words; undefined: it may. Absent: it never may.
   * @param topic whole, as it would leave
   */
  messageFault?(forwarder: Readonly<Record<string, unknown>>, topic: string): string | undefined;
  /** What it names of the rest of the configuration: names that do not exist are faults. Absent: nothing. */
  targets?(forwarder: Readonly<Record<string, unknown>>): Iterable<NamedTarget>;
}

/** A device (`fridge`) or a point (`fridge.temperature`, `fridge.*`, `*.temperature`) that a forwarder names. */
export interface NamedTarget {
  /** Relative to the forwarder. */
  readonly path: readonly (string | number)[];
  readonly target: string;
}

export interface Kinds {
  readonly drivers: readonly DriverKind[];
  readonly rules: readonly RuleKindSchema[];
  readonly forwarders: readonly ForwarderKind[];
}

/** A bus as its driver receives it. `settings` is the output of `DriverKind.bus`. */
export interface ResolvedBus {
  readonly name: string;
  readonly protocol: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A device as its driver receives it: profile merged, defaults filled. */
export interface ResolvedDevice {
  readonly name: string;
  readonly bus: string;
  readonly profile?: string | undefined;
  /** Who made it and its model, where a profile says so. */
  readonly made?: { readonly vendor: string; readonly model: string } | undefined;
  /** Output of `DriverKind.device`. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Output of `DriverKind.point`, in the order written (profile first, additions after). Points set to `null` are gone. */
  readonly points: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
}

export interface ResolvedRule {
  readonly name: string;
  readonly device: string;
  readonly point: string;
  /** The one kind key (`above`, …) and the output of its schema. */
  readonly kind: string;
  readonly setting: unknown;
  /** In the unit of the point; 0 when not given. */
  readonly deadband: number;
  /** Milliseconds. */
  readonly onDelay: number;
  readonly offDelay: number;
  readonly severity: Severity;
  /** In the language of the gateway. */
  readonly message?: string | undefined;
  /** `false`: the rule was written without `point:`, and its message names all that it looks at. */
  readonly own?: false | undefined;
  /** The message in the languages in which it was written. Absent: it has one text. */
  readonly texts?: Texts | undefined;
  /** The language of the sentences that the gateway makes. Absent: English. */
  readonly language?: Language | undefined;
  /** The alarm stays at least this long once it began, ms. Absent: 0. */
  readonly hold?: number | undefined;
  /** What readings that are not good mean. Absent: bad ones nothing, and uncertain ones count. */
  readonly quality?: QualityPolicy | undefined;
  /** Points beside the first that the condition looks at, as `device.point`. */
  readonly inputs?: readonly string[] | undefined;
  /** The alarm stays until somebody acknowledges it. Absent: it ends with its condition. */
  readonly mustAcknowledge?: boolean | undefined;
  /** The rule is evaluated and reported as an observation: it raises no alarm, and nothing may act on it. */
  readonly observe?: true | undefined;
  /** What the gateway does when something happens to the alarm. */
  readonly actions?: readonly ResolvedAction[] | undefined;
  /** What it does when nobody acknowledges the alarm. */
  readonly escalation?: ResolvedEscalation | undefined;
  /** Points (`device.point`) that nobody may write while the condition holds. */
  readonly interlock?: readonly string[] | undefined;
  /** The alarm stays until somebody resets it. Absent: it ends with its condition. */
  readonly latch?: boolean | undefined;
  /** Alarms of one group say which of them came first. */
  readonly group?: string | undefined;
  /** Rules: while one of them is active, this alarm is suppressed by design. */
  readonly suppressedBy?: readonly string[] | undefined;
}

export interface ResolvedForwarder {
  readonly name: string;
  readonly type: string;
  /** Output of `ForwarderKind.forwarder`. Secrets are already read. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** An address of the broker or of HTTP. */
export interface Listen {
  readonly host: string;
  readonly port: number;
  /** `true`: the gateway's own certificate. Paths are absolute. */
  readonly tls?: true | { readonly cert: string; readonly key: string } | undefined;
  /** Others reach it, and there is no TLS. */
  readonly insecure?: true | undefined;
}

/** A whole valid configuration. Durations in milliseconds, sizes in bytes. Plain data: two of them can be compared by JSON. */
export interface GatewayConfig {
  readonly gateway: {
    readonly id: string;
    readonly name?: string | undefined;
    /** The language of messages that leave the gateway. */
    readonly language: Language;
    readonly clockHold: number;
    /** Names of board files. Absent: the machine is looked at. */
    readonly board?: string | undefined;
    readonly hats?: readonly string[] | undefined;
    /** Show the state on the LED of the board. */
    readonly led: boolean;
    /** A name of the IANA database. Absent: that of the system. */
    readonly timezone?: string | undefined;
    /** The device whose time counts where no time service does. */
    readonly clock?: { readonly gps: string } | undefined;
    /** Where updates of a card image come from. The daemon does not use it. */
    readonly update?:
      | {
          readonly from: string;
          readonly automatic: boolean;
          /** `01:00-04:30` */
          readonly window?: string | undefined;
          /** Bytes. */
          readonly perDay?: number | undefined;
        }
      | undefined;
    /** Signed configurations from upstream; absent: none is taken. */
    readonly configure?:
      | {
          /** Public keys, `sluice-configure-1:…`. */
          readonly keys: readonly string[];
          /** Milliseconds. */
          readonly trial: number;
        }
      | undefined;
    readonly stateDir: string;
    readonly runtimeDir?: string | undefined;
  };
  readonly buses: ReadonlyMap<string, ResolvedBus>;
  readonly devices: ReadonlyMap<string, ResolvedDevice>;
  readonly rules: ReadonlyMap<string, ResolvedRule>;
  /** Programs that rules may start. */
  readonly hooks: ReadonlyMap<string, ResolvedHook>;
  readonly buffer: {
    readonly maxSize: number;
    readonly maxAge: number;
    readonly minFree: number;
    readonly commitEvery: number;
  };
  /** Absent: no embedded broker. */
  readonly broker?:
    | {
        readonly listen: readonly Listen[];
        readonly commands?: Readonly<Record<string, Grant | undefined>> | undefined;
        /** Bytes. */
        readonly maxPacket: number;
      }
    | undefined;
  readonly forwarders: ReadonlyMap<string, ResolvedForwarder>;
  /** Absent: no point has a class, and no class a rule. */
  readonly privacy?: ResolvedPrivacy | undefined;
  /** Absent: no HTTP. `names` are in lower case. */
  readonly dashboard?:
    | { readonly listen: readonly Listen[]; readonly names: readonly string[]; readonly announce?: boolean | undefined }
    | undefined;
  /** Absent: no Node-RED. */
  readonly nodeRed?: NodeRedConfig | undefined;
}
