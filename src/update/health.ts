/**
 * What ran well before the restart into another release, and whether it runs as well after it. Pure. Invariants:
 * - Only what ran well before counts: a device that was silent or refused what it was asked, a bus that was closed, or a log that could
 *   not be written proves nothing.
 * - A device may be switched off at any time, so one device of a bus is enough. A bus without any of them is not well.
 * - What is computed stands still with the device that it is computed from, so it proves nothing.
 * - A faulty gateway may answer anything: a look keeps a bounded part of its answer.
 */
import * as z from 'zod';

const MOST_BUSES = 64;
const MOST_DEVICES = 512;
const MOST_NAME = 200;
/** Devices that words name. */
const MOST_SAID = 3;
/** Seconds from reply to reply, on the average, of a device that is quick: one that is read each hour may be read while it is looked at. */
const QUICK = 10;

const name = z.string().max(MOST_NAME);
const count = z.number().min(0);
const fault = z.string().optional();

/** The part of the status that counts. Counters begin with the process. */
const lookSchema = z.object({
  gateway: z.object({ boot: name, uptime: count.optional() }),
  inForce: z.object({ origin: z.string(), trial: z.unknown().optional() }).optional(),
  buses: z.array(
    z.object({
      ...{ name, state: z.string(), fault, protocol: z.string().optional() },
      devices: z.array(z.object({ name, state: z.string(), fault, counters: z.object({ requests: count, replies: count }) })),
    }),
  ),
  log: z.object({ appended: count, unreported: count, commits: count, faults: z.array(z.string()) }),
});
export type Look = z.output<typeof lookSchema>;
type Bus = Look['buses'][number];
type Device = Bus['devices'][number];

/** @param status of a gateway; undefined: no status that can be understood */
export function lookOf(status: unknown): Look | undefined {
  const { data } = lookSchema.safeParse(status);
  if (data === undefined) return undefined;
  let left = MOST_DEVICES;
  const buses = data.buses.slice(0, MOST_BUSES).map((bus) => {
    const devices = bus.devices.slice(0, left);
    left -= devices.length;
    return { ...bus, devices };
  });
  return { ...data, buses };
}

const pace = { quick: z.boolean() };
export const beforeSchema = z.strictObject({
  /** The release that was offered. */
  sequence: z.int().min(0),
  /** Absent: no gateway answered. */
  gateway: z
    .strictObject({
      /** Buses that were open. */
      buses: z
        .array(
          z.strictObject({
            name,
            /** Devices that answered what they were asked, or spoke at short intervals. `quick`: between all looks. */
            devices: z.array(z.strictObject({ name, ...pace })).max(MOST_DEVICES),
          }),
        )
        .max(MOST_BUSES),
      /** Absent: the log could not be written. `stored`: readings came into it. */
      log: z.strictObject({ stored: z.boolean(), ...pace }).optional(),
      /** The configuration came from upstream, and its trial was over: one that is on trial ends with the process. */
      upstream: z.literal(true).optional(),
    })
    .optional(),
});
export type Before = z.output<typeof beforeSchema>;
export type WellBefore = NonNullable<Before['gateway']>;

/** @param looks at one process, one behind the other */
export function wellBefore(looks: readonly [Look, ...Look[]]): WellBefore {
  const last = looks.at(-1) ?? looks[0];
  const grows = (of: (look: Look) => number): boolean =>
    looks.length > 1 && looks.every((look, i) => i === 0 || of(look) > of(looks[i - 1] ?? look));
  const isQuick = (bus: string, device: Device): boolean =>
    grows((look) => deviceIn(look, bus, device.name)?.counters.replies ?? 0) &&
    device.counters.replies * QUICK >= (last.gateway.uptime ?? 0);
  return {
    buses: last.buses.filter(isOpen).map((bus) => ({
      name: bus.name,
      devices: (bus.protocol === 'derived' ? [] : bus.devices)
        .filter(({ state }) => state === 'answering')
        .map((device) => ({ device, quick: isQuick(bus.name, device) }))
        // One that speaks by itself may be quiet for long. One that refuses everything answers, and gives no reading.
        .filter(({ device, quick }) => quick || (device.counters.requests > 0 && device.fault === undefined))
        .map(({ device, quick }) => ({ name: device.name, quick })),
    })),
    ...(last.log.faults.length === 0 && { log: { stored: last.log.appended > 0, quick: grows(taken) } }),
    ...(isFromUpstream(last) && last.inForce?.trial === undefined && { upstream: true as const }),
  };
}

/** Without what somebody took out of the configuration since. */
export function stillWanted(before: WellBefore, has: (bus: string, device?: string) => boolean): WellBefore {
  const buses = before.buses.filter((bus) => has(bus.name));
  return {
    ...before,
    buses: buses.map((bus) => ({ ...bus, devices: bus.devices.filter((device) => has(bus.name, device.name)) })),
  };
}

export interface Compared {
  /** Not well, in words; empty: it runs as well as before. */
  readonly missing: readonly string[];
  /** Devices that do not answer any more, while another one of their bus does. */
  readonly quiet: readonly string[];
}

/**
 * @param before without it the log alone counts
 * @param first the first look at the process that `now` is a look at
 * @param commits a commit must have been made by now
 */
export function compare(before: WellBefore | undefined, first: Look, now: Look, commits: boolean): Compared {
  const buses = (before?.buses ?? []).map((bus) => busMissing(bus, first, now));
  const demands = {
    stored: (before?.buses ?? []).some(({ devices }) => devices.length > 0),
    grows: buses.some(({ quick }) => quick),
    commits,
  };
  return {
    missing: [...buses.flatMap(({ missing }) => missing), ...logMissing(before, first, now, demands)],
    quiet: buses.flatMap(({ quiet }) => quiet),
  };
}

interface ComparedBus extends Compared {
  /** Devices of it answer every few seconds now. */
  readonly quick: boolean;
}

function busMissing(before: WellBefore['buses'][number], first: Look, now: Look): ComparedBus {
  const failed = (words: string): ComparedBus => ({ missing: [words], quiet: [], quick: false });
  const bus = now.buses.find((one) => one.name === before.name);
  if (bus === undefined) return failed(`the bus ${before.name} was open before, and is not there now`);
  if (!isOpen(bus)) return failed(`the bus ${bus.name} was open before, and is not open now${because(bus.fault)}`);
  if (before.devices.length === 0) return { missing: [], quiet: [], quick: false };
  const seen = (one: { readonly name: string }): Device | undefined => bus.devices.find((device) => device.name === one.name);
  // Those that were asked every few seconds show soonest whether polls go on, unless they were switched off since.
  const quick = before.devices.filter((one) => one.quick && seen(one)?.state === 'answering');
  const askedOf = quick.length > 0 ? quick : before.devices;
  const goesOn = (one: { readonly name: string; readonly quick: boolean }): boolean => {
    const device = seen(one);
    if (device?.state !== 'answering' || device.counters.replies === 0) return false;
    return !one.quick || device.counters.replies > (deviceIn(first, bus.name, one.name)?.counters.replies ?? 0);
  };
  if (askedOf.some(goesOn)) {
    const quiet = before.devices.filter((one) => seen(one)?.state !== 'answering').map((one) => said(one.name, seen(one)));
    return { missing: [], quiet, quick: quick.length > 0 };
  }
  const names = askedOf.slice(0, MOST_SAID).map((one) => said(one.name, seen(one)));
  const more = askedOf.length > MOST_SAID ? [`${askedOf.length - MOST_SAID} more`] : [];
  return failed(`no device of the bus ${bus.name} that answered before answers polls now: ${[...names, ...more].join('; ')}`);
}

interface Demands {
  /** Devices answer, so readings come. */
  readonly stored: boolean;
  /** They come every few seconds. */
  readonly grows: boolean;
  readonly commits: boolean;
}

function logMissing(before: WellBefore | undefined, first: Look, { log }: Look, demands: Demands): string[] {
  if (before !== undefined && before.log === undefined) return [];
  if (log.faults.length > 0) return log.faults.slice(0, MOST_SAID);
  const mustStore = demands.stored && before?.log?.stored === true;
  if (mustStore && log.appended === 0) return ['polls are answered, and the log has taken no reading since the start'];
  if (mustStore && before.log?.quick === true && demands.grows && taken({ log }) <= taken(first))
    return [`the log took readings all the time before, and has stayed at ${log.appended} since the first look`];
  if (demands.commits && log.appended > 0 && log.commits === 0)
    return [`the log has ${log.appended} readings in memory, and has written none of them to the disk`];
  return [];
}

export function isThere(look: Look, bus: string, device?: string): boolean {
  const found = look.buses.find((one) => one.name === bus);
  return found !== undefined && (device === undefined || found.devices.some((one) => one.name === device));
}

export const isFromUpstream = ({ inForce }: Look): boolean => inForce?.origin === 'upstream';
const isOpen = ({ state }: Bus): boolean => state === 'open';
/** Readings that came to the log; `report:` keeps some of them out. */
const taken = ({ log }: Pick<Look, 'log'>): number => log.appended + log.unreported;
const because = (why: string | undefined): string => (why === undefined ? '' : ` (${why})`);

function deviceIn(look: Look, bus: string, device: string): Device | undefined {
  return look.buses.find((one) => one.name === bus)?.devices.find((one) => one.name === device);
}

function said(device: string, now: Device | undefined): string {
  if (now === undefined) return `${device} is not there`;
  const { requests, replies } = now.counters;
  return `${device} is ${now.state}, ${requests} requests, ${replies} replies${because(now.fault)}`;
}
