/**
 * The plot of the demonstration: faults that begin and end by themselves, one after another, or as the user says. A user who
 * presses a key leads; when no key comes for a while, all faults end and the plot begins again.
 */

export type FaultName = 'door' | 'network' | 'unplugged' | 'stopped' | 'noise';

export interface Fault {
  readonly name: FaultName;
  readonly key: string;
  /** What the key does now: begin it, end it. */
  readonly begin: string;
  readonly end: string;
  /** What comes, behind "next:". */
  readonly begins: string;
  readonly ends: string;
  /** What happened, and what to expect of it. */
  readonly began: string;
  readonly ended: string;
}

export const FAULTS: readonly Fault[] = [
  {
    ...{ name: 'door', key: 'f', begin: 'open fridge', end: 'shut fridge' },
    ...{ begins: 'somebody leaves the fridge open', ends: 'the fridge is closed' },
    began: 'The fridge is open: expect an alarm 3 s after it passes 8 °C.',
    ended: 'The fridge is closed: the alarm ends below 7.5 °C.',
  },
  {
    ...{ name: 'network', key: 'n', begin: 'cut network', end: 'fix network' },
    ...{ begins: 'the network is cut', ends: 'the network comes back' },
    began: 'The network is cut: the gateway works on and keeps every reading.',
    ended: 'The network is back: kept readings follow with their own times.',
  },
  {
    ...{ name: 'unplugged', key: 'u', begin: 'unplug pump', end: 'replug pump' },
    ...{ begins: 'the cable of the pump is pulled out', ends: 'the cable of the pump is plugged in' },
    began: 'The pump is unplugged: expect no values and an alarm after 4 s.',
    ended: 'The pump is plugged in again: its values come back.',
  },
  {
    ...{ name: 'stopped', key: 'p', begin: 'stop pump', end: 'run pump' },
    ...{ begins: 'the pump stops', ends: 'the pump starts again' },
    began: 'The pump stops: expect 0 Hz, no pressure, less power.',
    ended: 'The pump starts again.',
  },
  {
    ...{ name: 'noise', key: 'd', begin: 'damage dust', end: 'mend dust' },
    ...{ begins: 'noise disturbs the dust sensor', ends: 'the noise ends' },
    began: 'Noise damages half of the dust frames: they are counted, not used.',
    ended: 'The noise has ended.',
  },
];

/** Seconds from the beginning of the plot; a fault begins at its first time and ends at its second. */
const SCENES: readonly (readonly [at: number, fault: FaultName, isOn: boolean])[] = [
  [8, 'door', true],
  [18, 'network', true],
  [30, 'door', false],
  [40, 'network', false],
  [54, 'unplugged', true],
  [64, 'unplugged', false],
  [74, 'stopped', true],
  [86, 'stopped', false],
  [96, 'noise', true],
  [108, 'noise', false],
];
const PLOT_SECONDS = 116;
/** The plot goes on when no key came for so long. */
const LEADS_SECONDS = 30;
/** A key that is held down sends itself again within this time. */
const REPEAT_MS = 600;

export interface Coming {
  /** The user leads: what comes is the plot. */
  readonly leads: boolean;
  readonly text: string;
  readonly seconds: number;
}

export interface PlotHooks {
  readonly act: (fault: FaultName, isOn: boolean) => void;
  readonly say: (text: string) => void;
}

export class Plot {
  readonly #faults: readonly Fault[];
  readonly #scenes: typeof SCENES;
  readonly #hooks: PlotHooks;
  readonly #active = new Set<FaultName>();
  readonly #pressed = new Map<string, number>();
  /** Monotonic ms. */
  #began = 0;
  #next = 0;
  #leadsUntil: number | undefined;

  /** @param faults those that this site can have */
  constructor(faults: readonly Fault[], hooks: PlotHooks) {
    this.#faults = faults;
    this.#scenes = SCENES.filter(([, name]) => faults.some((fault) => fault.name === name));
    this.#hooks = hooks;
  }

  begin(now: number): void {
    this.#began = now;
    this.#next = 0;
    this.#leadsUntil = undefined;
  }

  /** Does what is due. @param now monotonic ms */
  tick(now: number): void {
    if (this.#leadsUntil !== undefined) {
      if (now >= this.#leadsUntil) this.#goOn(now);
      return;
    }
    for (let scene = this.#scenes[this.#next]; scene !== undefined; scene = this.#scenes[this.#next]) {
      if (now - this.#began < scene[0] * 1000) return;
      this.#play();
    }
    if (now - this.#began >= PLOT_SECONDS * 1000) this.begin(now);
  }

  /** @returns false where the key means nothing */
  press(key: string, now: number): boolean {
    const fault = this.#faults.find((one) => one.key === key);
    if (fault === undefined && key !== 'space') return false;
    const last = this.#pressed.get(key);
    this.#pressed.set(key, now);
    if (last !== undefined && now - last < REPEAT_MS) return true;
    if (fault !== undefined) {
      this.#leadsUntil = now + LEADS_SECONDS * 1000;
      this.#set(fault, !this.#active.has(fault.name));
    } else if (this.#leadsUntil !== undefined) this.#goOn(now);
    else this.#skip(now);
    return true;
  }

  isOn(name: FaultName): boolean {
    return this.#active.has(name);
  }

  coming(now: number): Coming {
    const seconds = (until: number) => Math.max(0, Math.ceil((until - now) / 1000));
    if (this.#leadsUntil !== undefined) return { leads: true, text: 'the story continues', seconds: seconds(this.#leadsUntil) };
    const scene = this.#scenes[this.#next];
    if (scene === undefined)
      return { leads: false, text: 'the story begins again', seconds: seconds(this.#began + PLOT_SECONDS * 1000) };
    const [at, name, isOn] = scene;
    const fault = this.#faults.find((one) => one.name === name);
    return { leads: false, text: (isOn ? fault?.begins : fault?.ends) ?? '', seconds: seconds(this.#began + at * 1000) };
  }

  /** What is due next happens now. */
  #skip(now: number): void {
    const at = this.#scenes[this.#next]?.[0] ?? PLOT_SECONDS;
    this.#began = now - at * 1000;
    this.tick(now);
  }

  #goOn(now: number): void {
    for (const fault of this.#faults) this.#set(fault, false);
    this.begin(now);
  }

  #play(): void {
    const [, name, isOn] = this.#scenes[this.#next++] ?? [];
    const fault = this.#faults.find((one) => one.name === name);
    if (fault !== undefined) this.#set(fault, isOn === true);
  }

  #set(fault: Fault, isOn: boolean): void {
    if (this.#active.has(fault.name) === isOn) return;
    if (isOn) this.#active.add(fault.name);
    else this.#active.delete(fault.name);
    this.#hooks.say(isOn ? fault.began : fault.ended);
    this.#hooks.act(fault.name, isOn);
  }
}
