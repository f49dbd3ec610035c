/** A section of the file that no name of the author stands over: gateway, buffer, privacy, broker, dashboard, nodeRed. */
import type * as z from 'zod';
import { check, isSection, placeOf, type Section } from './checker.ts';
import type { Fault } from './fault.ts';
import type { YamlSource } from './yaml-source.ts';
import { found } from './zod-words.ts';

/** What people write who put `true` there, as one switches things on elsewhere. */
const EXAMPLES: Readonly<Record<string, string>> = {
  gateway: '{id: pump-house}',
  buffer: '{maxSize: 256MB}',
  privacy: '{household: {keep: 30d}}',
  broker: '{listen: {port: 1883}}',
  dashboard: '{listen: {port: 8080}}',
  nodeRed: '{enabled: true}',
};

export interface TopSection<T> {
  readonly key: string;
  readonly schema: T;
  /** A section that is not there has its defaults. */
  readonly needed: boolean;
}

/** Faults go to `report`. @returns undefined for a section that is not there, and for one with faults */
export function topSection<T extends z.ZodType>(
  source: YamlSource,
  root: Section,
  { key, schema, needed }: TopSection<T>,
  report: (fault: Fault) => void,
): z.output<T> | undefined {
  const written = root[key];
  if (written === undefined && !needed) return undefined;
  // `broker:` with nothing under it means all defaults, as does a needed section that is not there.
  const value = written ?? {};
  const example = EXAMPLES[key];
  if (isSection(value) || example === undefined) return check(schema, value, placeOf(source, [key]), report);
  report(source.fault([key], `write a section with its keys, for example ${key}: ${example}; this is ${found(value)}`));
  return undefined;
}
