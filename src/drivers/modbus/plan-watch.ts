/**
 * When the plans of a bus are looked at again: every LOOK_EVERY, and PAUSE after one was exchanged. A device of which too little is
 * known yet is waited for, but for no longer than PATIENCE, so that all that a bus has learnt is taken in at one time.
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
    if (now >= this.#lookAt) this.#look(now);
    if (this.#next.size === 0) return [];
    const due = [...this.#next].filter(([{ device }]) => isFree(device));
    for (const [plan] of due) this.#next.delete(plan);
    return due;
  }

  #look(now: number): void {
    this.#lookAt = now + LOOK_EVERY;
    if (now < this.#patientUntil && !this.#plans.every((plan) => plan.settled)) return;
    for (const plan of this.#plans) {
      const next = plan.look(now);
      if (next !== undefined) this.#next.set(plan, next);
    }
    if (this.#next.size > 0) this.#lookAt = now + PAUSE;
  }
}
