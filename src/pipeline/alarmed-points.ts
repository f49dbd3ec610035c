import type { Clock } from '../core/clock.ts';
import type { Field } from '../core/ports.ts';
import type { AlarmView } from '../rules/alarm-view.ts';

/** Tells the buses which points are in alarm, so that they are read first where not all can be. */
export class AlarmedPoints {
  readonly #clock: Clock;
  readonly #field: Field;
  readonly #alarms: () => readonly AlarmView[];
  #due = false;

  constructor(clock: Clock, field: Field, alarms: () => readonly AlarmView[]) {
    this.#clock = clock;
    this.#field = field;
    this.#alarms = alarms;
  }

  /** Alarms began or ended, or the buses are others. Once for all of one moment. */
  changed(): void {
    if (this.#due) return;
    this.#due = true;
    this.#clock.after(0, () => {
      this.#due = false;
      const active = this.#alarms().filter(({ state }) => state.startsWith('active'));
      this.#field.urgent(new Set(active.map(({ point }) => point)));
    });
  }
}
