const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const DURATION_UNIT = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE = /^(\d+(?:\.\d+)?)(B|kB|KB|MB|GB)$/;
const SIZE_UNIT = { B: 1, kB: 1024, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 } as const;

/** `250ms`, `10s`, `5m`, `24h`, `30d` -> milliseconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  const m = DURATION.exec(text);
  // 8.3 * 1000 is 8300.000000000001: thousandths of a millisecond are all that anybody means.
  return m ? Math.round(Number(m[1]) * DURATION_UNIT[m[2] as keyof typeof DURATION_UNIT] * 1000) / 1000 : undefined;
}

/** `64MB` -> bytes (1 MB = 1024 * 1024); undefined when it is none. */
export function parseSize(text: string): number | undefined {
  const m = SIZE.exec(text);
  return m ? Math.round(Number(m[1]) * SIZE_UNIT[m[2] as keyof typeof SIZE_UNIT]) : undefined;
}

/** Milliseconds as people write them: 90000 -> `90s`, 3600000 -> `1h`. */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const size = DURATION_UNIT[unit];
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return ms >= 1000 ? `${Math.round(ms / 100) / 10}s` : `${Math.round(ms * 10) / 10}ms`;
}

/** A duration that was worked out: with no more digits than are meant. */
export function aboutDuration(ms: number): string {
  return formatDuration(ms < 10 ? ms : Math.round(ms));
}

/** Steps that people write: 1, 1.5 and 2.5 s, no 17 s. */
const ROUND_STEPS = [
  ...[10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200, 250, 300, 400, 500, 600, 800],
  ...[1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 45].map((n) => n * DURATION_UNIT.s),
  ...[1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 45].map((n) => n * DURATION_UNIT.m),
  ...[1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12].map((n) => n * DURATION_UNIT.h),
];

/** The next duration, in milliseconds, that a person would write. Days are not divided. */
export function roundUpDuration(ms: number): number {
  return ROUND_STEPS.find((step) => step >= ms) ?? Math.ceil(ms / DURATION_UNIT.d) * DURATION_UNIT.d;
}

/** A part of one as people write it: 0.0042 -> `0.4 %`, 1.72 -> `172 %`. */
export function percent(part: number): string {
  const hundredths = part * 100;
  if (hundredths > 0 && hundredths < 0.1) return 'less than 0.1 %';
  return `${hundredths < 10 ? Math.round(hundredths * 10) / 10 : Math.round(hundredths)} %`;
}

/** Bytes as people write them: 268435456 -> `256MB`. */
export function formatSize(bytes: number): string {
  for (const unit of ['GB', 'MB', 'kB'] as const) {
    const size = SIZE_UNIT[unit];
    if (bytes >= size) return `${Math.round((bytes / size) * 10) / 10}${unit}`;
  }
  return `${bytes}B`;
}
