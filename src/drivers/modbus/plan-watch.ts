/**
 * When the plans of a bus are looked at again: every LOOK_EVERY, and PAUSE after one was exchanged. A device of which too little is
 * known yet is waited for, but for no longer than PATIENCE, so that all that a bus has learnt is taken in at one time.
 *
 * A plan takes some milliseconds to work out (a device of 500 points 10 to 30). So one device is looked at in a turn of the bus,
 * and a bus of a hundred devices never stands still for it.
 */
import type { Device } from './device.ts';
import type { DevicePlan, NextPlan } from './device-plan.ts';

/** Milliseconds. */
const LOOK_EVERY = 10_000;
const PATIENCE = 50_000;
const PAUSE = 60_000;

export class PlanWatch {
  readonly #plans: readonly DevicePlan[];
  /** Found cheaper; exchanged when their device has no turn under way. */
  readonly #next = new Map<DevicePlan, NextPlan>();
  /** Still to be looked at in this round. */
  #round: DevicePlan[] = [];
  #lookAt = Number.POSITIVE_INFINITY;
  #patientUntil = Number.POSITIVE_INFINITY;

  constructor(plans: readonly DevicePlan[]) {
    this.#plans = plans;
  }

  start(now: number): void {
    this.#lookAt = now + LOOK_EVERY;
    this.#patientUntil = now + PATIENCE;
  }

  /** @returns the plans to put in force now */
  due(now: number, isFree: (device: Device) => boolean): (readonly [DevicePlan, NextPlan])[] {
    if (now >= this.#lookAt) this.#begin(now);
    const plan = this.#round.shift();
    const next = plan?.look(now);
    if (plan !== undefined && next !== undefined) {
      this.#next.set(plan, next);
      this.#lookAt = now + PAUSE;
    }
    if (this.#next.size === 0) return [];
    const due = [...this.#next].filter(([{ device }]) => isFree(device));
    for (const [taken] of due) this.#next.delete(taken);
    return due;
  }

  #begin(now: number): void {
    this.#lookAt = now + LOOK_EVERY;
    if (now < this.#patientUntil && !this.#plans.every((plan) => plan.settled)) return;
    this.#round = [...this.#plans];
  }
}
