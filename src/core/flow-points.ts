/** The way from flows to the driver of the points that they make. */
import type { ErrorCode } from './errors.ts';
import type { ReasonName } from './reasons.ts';

/** The longest name of a point that flows bring, in characters. */
export const LONGEST_POINT = 64;

export interface FlowReading {
  readonly device: string;
  readonly point: string;
  /** 64-bit integers may come as texts. null: there is no value. */
  readonly value: number | boolean | string | null;
  /** Monotonic ms, not later than now. */
  readonly at: number;
  /** UCUM code; undefined: the one that the point has. */
  readonly unit?: string | undefined;
  /** Why the reading is not good. With a value only a reason of quality `uncertain` is used. */
  readonly reason?: ReasonName | undefined;
}

export interface FlowRefusal {
  readonly code: ErrorCode;
  /** What is wrong, and what to do. */
  readonly message: string;
}

/** `replaced`: it waits in the place of an older reading, which is lost: flows give more than the device takes. */
export type FlowTaken = 'taken' | 'replaced' | FlowRefusal;

export interface FlowListener {
  /** Returns at once and throws nothing. */
  reading(reading: FlowReading): FlowTaken;
}

/** Flows give readings, and each goes to the driver of its device. */
export interface FlowPoints {
  /** Whether flows can give readings now. */
  readonly open: boolean;
  /** Readings of these devices from now on. @returns ends it */
  listen(devices: readonly string[], listener: FlowListener): () => void;
}

/** Where there is no Node-RED. */
export const noFlowPoints: FlowPoints = { open: false, listen: () => () => {} };

/** A point that a device took by the beginning of its name. */
export interface AcceptedPoint {
  readonly name: string;
  readonly type: 'float64' | 'bool' | 'string';
  readonly unit?: string | undefined;
}

/** The accepted points of devices, kept over restarts. */
export interface AcceptedMemory {
  load(device: string): readonly AcceptedPoint[];
  save(device: string, points: readonly AcceptedPoint[]): void;
}
