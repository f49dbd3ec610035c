/**
 * A device or a point is written in layers: profile (and what it extends), then the configuration. Later layers win,
 * key by key, whole keys at a time; `null` takes an inherited key away. A fault is reported where its key was written.
 */
import type { Place, Section } from './checker.ts';
import type { Path } from './fault.ts';
import type { YamlSource } from './yaml-source.ts';

export interface Layer {
  readonly source: YamlSource;
  readonly path: Path;
  readonly value: Section;
  /** A missing key is not reported at the defaults. */
  readonly isDefaults?: boolean;
}

/** At least one layer; missing keys are reported at the last one that is not of defaults. */
export function mergeLayers(layers: readonly Layer[]): { value: Section; place: Place } {
  // Without a prototype: `__proto__` as a key is nothing but a key, which nobody knows.
  const value: Record<string, unknown> = Object.create(null);
  for (const [i, layer] of layers.entries()) {
    for (const [key, item] of Object.entries(layer.value)) {
      if (item === null && i > 0) delete value[key];
      else value[key] = item;
    }
  }
  const writerOf = (key: string | number | undefined) => {
    const writer = key === undefined ? undefined : layers.findLast((layer) => Object.hasOwn(layer.value, String(key)));
    return writer ?? layers.findLast((l) => !l.isDefaults) ?? layers[layers.length - 1]!;
  };
  const place: Place = {
    fault(path, message, want) {
      const layer = writerOf(path[0]);
      return layer.source.fault([...layer.path, ...path], message, path.length === 0 ? 'key' : want);
    },
    written(path) {
      const layer = writerOf(path[0]);
      return layer.source.written([...layer.path, ...path]);
    },
  };
  return { value, place };
}
