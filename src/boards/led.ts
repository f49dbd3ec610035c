/**
 * The state of the gateway on one LED of the board, for people without a screen. Invariants:
 * - The kernel blinks (trigger `timer` of the LED class), so a pattern costs no wake-up of this process.
 * - A state is written when it changes, never again and again. What fails is tried again a few times, for files of a pattern get their
 *   rights a moment after they appear (docs/reference/led.md). It is then reported once, and nothing here throws.
 * - At the end the LED does again what it did before.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { toError } from '../core/errors.ts';

export const LED_STATES = ['starting', 'not-claimed', 'running', 'no-upstream', 'fault', 'update', 'identify'] as const;
export type LedState = (typeof LED_STATES)[number];

/** Milliseconds on and off, or steady. People tell them apart by speed and by which part is longer. docs/reference/led.md shows them. */
export const PATTERNS: Readonly<Record<LedState, { readonly on: number; readonly off: number } | 'steady'>> = {
  starting: 'steady',
  'not-claimed': { on: 500, off: 500 },
  running: { on: 100, off: 2900 },
  'no-upstream': { on: 1500, off: 1500 },
  fault: { on: 125, off: 125 },
  update: { on: 1800, off: 200 },
  identify: { on: 50, off: 50 },
};

/** Characters that are read of one file of /sys. */
const MOST = 4096;
/** Refusals in a row before the LED is left alone. */
const MOST_TRIES = 5;

export interface LedOptions {
  /** `/sys/class/leds` of the machine. */
  readonly folder: string;
  readonly name: string;
  /** Told once why the LED cannot be used. */
  readonly fault: (message: string) => void;
}

interface Before {
  readonly trigger: string;
  readonly brightness: string;
  readonly on: string | undefined;
  readonly off: string | undefined;
}

export class Led {
  readonly #folder: string;
  readonly #fault: (message: string) => void;
  #before: Before | undefined;
  #shown: LedState | undefined;
  #refusals = 0;

  constructor({ folder, name, fault }: LedOptions) {
    this.#folder = path.join(folder, name);
    this.#fault = fault;
  }

  get shown(): LedState | undefined {
    return this.#shown;
  }

  show(state: LedState): void {
    if (this.#refusals >= MOST_TRIES || this.#shown === state) return;
    try {
      this.#before ??= this.#read();
      const pattern = PATTERNS[state];
      // The files of a pattern appear with the trigger, and anew when it is set again.
      const trigger = pattern === 'steady' ? 'none' : 'timer';
      if (this.#trigger() !== trigger) this.#set(trigger);
      if (pattern === 'steady') this.#write('brightness', this.#text('max_brightness') || '1');
      else {
        this.#write('delay_on', String(pattern.on));
        this.#write('delay_off', String(pattern.off));
      }
      this.#shown = state;
      this.#refusals = 0;
    } catch (thrown) {
      const error = toError(thrown) as NodeJS.ErrnoException;
      this.#refusals = error.code === 'EACCES' ? this.#refusals + 1 : MOST_TRIES;
      if (this.#refusals >= MOST_TRIES)
        this.#fault(`The LED ${path.basename(this.#folder)} shows no states of the gateway: ${error.message}`);
    }
  }

  /** Gives the LED back. */
  end(): void {
    const before = this.#before;
    this.#before = undefined;
    this.#shown = undefined;
    if (before === undefined) return;
    try {
      this.#write('trigger', before.trigger);
      if (before.trigger === 'none') this.#write('brightness', before.brightness);
      if (before.on !== undefined) this.#write('delay_on', before.on);
      if (before.off !== undefined) this.#write('delay_off', before.off);
    } catch {
      // It stays as it is.
    }
  }

  #read(): Before {
    const trigger = this.#trigger();
    const own = trigger === 'timer';
    return {
      ...{ trigger, brightness: this.#text('brightness') || '0' },
      on: own ? this.#text('delay_on') : undefined,
      off: own ? this.#text('delay_off') : undefined,
    };
  }

  /** The one in force stands in brackets. */
  #trigger(): string {
    return /\[([\w:.-]+)\]/.exec(this.#text('trigger'))?.[1] ?? 'none';
  }

  #set(trigger: string): void {
    try {
      this.#write('trigger', trigger);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EINVAL') throw thrown;
      // The kernel's answer tells nobody what to do.
      throw new Error(`the kernel cannot make it blink; run "sudo modprobe ledtrig-${trigger}", and start the gateway again`);
    }
  }

  #text(file: string): string {
    return readFileSync(path.join(this.#folder, file), 'latin1').slice(0, MOST).trim();
  }

  /** A file of /sys is there or it is not; a write never makes one. */
  #write(file: string, text: string): void {
    writeFileSync(path.join(this.#folder, file), text, { flag: 'r+' });
  }
}

/** What the LED says of a gateway, the most urgent first. */
export interface LedFacts {
  readonly updating: boolean;
  /** A part does not work that a person must see to: the log, the configuration, a bus that does not open. */
  readonly faulty: boolean;
  readonly claimed: boolean;
  /** Undefined: nothing is to be delivered. */
  readonly delivering: boolean | undefined;
}

export function ledStateOf({ updating, faulty, claimed, delivering }: LedFacts): LedState {
  if (updating) return 'update';
  if (faulty) return 'fault';
  if (!claimed) return 'not-claimed';
  return delivering === false ? 'no-upstream' : 'running';
}
