/**
 * The classes that points have had: those of readings in the log when it was opened, and those of each configuration of this run. What
 * puts readings of a long time together asks for them, since it does not see the class of each reading.
 */
import { comparable } from '../config/compare.ts';
import type { Shape } from '../core/point.ts';
import { classNow, type PointClasses, type PrivacyClass } from '../core/privacy.ts';

/** Reloads that changed a class; the oldest goes first. */
const MOST_CONFIGURATIONS = 256;

export class PastClasses {
  #logged = new Map<string, Set<PrivacyClass>>();
  /** By their text. */
  readonly #configured = new Map<string, PointClasses>();

  /** The log was opened. As many points as its shapes have. */
  logged(shapes: Iterable<readonly [id: number, shape: Shape]>): void {
    this.#logged = new Map();
    for (const [, { device, points }] of shapes)
      for (const { name, privacy } of points) {
        if (privacy === undefined) continue;
        const key = `${device}.${name}`;
        this.#logged.set(key, (this.#logged.get(key) ?? new Set()).add(privacy));
      }
  }

  configured(classes: PointClasses): void {
    const text = comparable(classes);
    this.#configured.delete(text);
    this.#configured.set(text, classes);
    const [oldest] = this.#configured.keys();
    if (this.#configured.size > MOST_CONFIGURATIONS && oldest !== undefined) this.#configured.delete(oldest);
  }

  readonly of = (device: string, point: string): ReadonlySet<PrivacyClass> => {
    const all = new Set(this.#logged.get(`${device}.${point}`));
    for (const classes of this.#configured.values()) {
      const word = classNow(classes, device, point);
      if (word !== undefined) all.add(word);
    }
    return all;
  };
}
