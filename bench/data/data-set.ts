/** What the two data sets have in common: the points of a device, and its registers as they move from poll to poll. */

/** One point as the configuration writes it. */
export interface DataPoint {
  readonly name: string;
  readonly address: number;
  readonly type: 'int16' | 'uint16' | 'uint32' | 'float32' | 'bool';
  readonly scale?: number;
  readonly bit?: number;
  readonly unit?: string;
}

export interface DataSet {
  readonly name: string;
  readonly points: readonly DataPoint[];
  /** Holding registers that the points cover. */
  readonly registers: number;
  /** A device of its own seed. */
  device(seed: number): DataDevice;
}

export interface DataDevice {
  /** Big-endian registers, valid until the next call. */
  readonly registers: Buffer;
  /** One second goes by. */
  step(): void;
}
