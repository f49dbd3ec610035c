/**
 * What Home Assistant knows, kept over restarts: a device that went is removed there, and a component that went from its
 * device. It is remembered before it is sent. Bounds: LETTERS of JSON; of what does not fit, first the components are forgotten,
 * then the devices.
 */
import { PLATFORMS, type Platform } from './component.ts';

const LETTERS = 60_000;
const NAME = /^[A-Za-z0-9_-]{1,80}$/;

export type Components = ReadonlyMap<string, Platform>;

export class KnownDevices {
  readonly #devices = new Map<string, Map<string, Platform>>();

  /** What is no such state is left out. */
  constructor(kept: unknown) {
    const { devices } = (typeof kept === 'object' && kept !== null ? kept : {}) as { devices?: unknown };
    if (typeof devices !== 'object' || devices === null) return;
    for (const [device, lists] of Object.entries(devices as Record<string, unknown>)) {
      if (!NAME.test(device) || typeof lists !== 'object' || lists === null) continue;
      const components = new Map<string, Platform>();
      for (const platform of PLATFORMS) {
        const list = (lists as Record<string, unknown>)[platform];
        for (const key of typeof list === 'string' ? list.split(' ') : []) if (NAME.test(key)) components.set(key, platform);
      }
      this.#devices.set(device, components);
    }
  }

  devices(): Iterable<string> {
    return this.#devices.keys();
  }

  /** Components of this device that Home Assistant knows and that are not in `now`. */
  gone(device: string, now: Components): Components {
    return new Map([...(this.#devices.get(device) ?? [])].filter(([key, platform]) => now.get(key) !== platform));
  }

  /** Home Assistant knows these as well from now on. */
  add(device: string, components: Components): void {
    const before = this.#devices.get(device) ?? new Map<string, Platform>();
    // One that becomes another one is to be removed first, so the old one is kept.
    for (const [key, platform] of components) if (!before.has(key)) before.set(key, platform);
    this.#devices.set(device, before);
  }

  /** Home Assistant knows these and no others. @param components undefined: not even the device */
  set(device: string, components: Components | undefined): void {
    if (components === undefined) this.#devices.delete(device);
    else this.#devices.set(device, new Map(components));
  }

  /** Plain data of at most LETTERS. */
  state(): { readonly devices: Readonly<Record<string, Readonly<Partial<Record<Platform, string>>>>> } {
    const devices: Record<string, Partial<Record<Platform, string>>> = {};
    // Each device has its name first, then as many as fit have their components.
    let left = LETTERS;
    for (const device of this.#devices.keys()) {
      left -= device.length + 6;
      if (left < 0) break;
      devices[device] = {};
    }
    for (const [device, components] of this.#devices) {
      if (devices[device] === undefined) break;
      const lists: Partial<Record<Platform, string>> = {};
      for (const [key, platform] of components)
        lists[platform] = lists[platform] === undefined ? key : `${lists[platform]} ${key}`;
      const { length } = JSON.stringify(lists);
      if (length > left) continue;
      left -= length;
      devices[device] = lists;
    }
    return { devices };
  }
}
