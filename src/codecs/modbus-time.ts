/**
 * Date-time registers. The length says which of the usual layouts it is:
 * 2 registers: seconds since 1970 (uint32, any 32-bit order), UTC;
 * 3 registers: six bytes year-2000, month, day, hour, minute, second;
 * 4 registers: year-2000, month and day, hour and minute, milliseconds of the minute (IEC 60870-5-4 as power meters have it);
 * 6 registers: year, month, day, hour, minute, second, one register each.
 * All but the first are the instrument's own wall clock, so their text has no zone.
 */
const two = (n: number) => String(n).padStart(2, '0');

/** ISO 8601, or undefined where the registers are no date. */
export function decodeTime(words: readonly number[]): string | undefined {
  const w = (i: number) => words[i] ?? 0;
  switch (words.length) {
    case 2:
      return `${new Date((w(0) * 65536 + w(1)) * 1000).toISOString().slice(0, 19)}Z`;
    case 3:
      return text(2000 + (w(0) >> 8), w(0) & 255, w(1) >> 8, w(1) & 255, w(2) >> 8, w(2) & 255);
    case 4: {
      // Bit 7 of the minute marks an invalid time.
      if (w(2) & 0x80) return undefined;
      const ms = w(3);
      const base = text(2000 + (w(0) & 127), (w(1) >> 8) & 15, w(1) & 31, (w(2) >> 8) & 31, w(2) & 63, Math.floor(ms / 1000));
      return base === undefined || ms % 1000 === 0 ? base : `${base}.${String(ms % 1000).padStart(3, '0')}`;
    }
    default:
      return text(w(0) < 100 ? 2000 + w(0) : w(0), w(1), w(2), w(3), w(4), w(5));
  }
}

function text(year: number, month: number, day: number, hour: number, minute: number, second: number): string | undefined {
  if (year > 9999 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return undefined;
  if (day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return undefined;
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}`;
}

/** The registers of an ISO 8601 time, or undefined where the text is none or does not fit the layout. */
export function encodeTime(iso: string, length: number): number[] | undefined {
  const m = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,3}))?Z?$/.exec(iso);
  if (!m) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = m.slice(1, 7).map(Number);
  const ms = Number((m[7] ?? '').padEnd(3, '0'));
  const words = ((): number[] | undefined => {
    if (length === 6) return [year, month, day, hour, minute, second];
    if (length === 2) {
      const seconds = Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
      return seconds >= 0 && seconds <= 0xffffffff ? [Math.floor(seconds / 65536), seconds % 65536] : undefined;
    }
    const short = year - 2000;
    if (short < 0 || short > (length === 4 ? 127 : 255)) return undefined;
    if (length === 3) return [(short << 8) | month, (day << 8) | hour, (minute << 8) | second];
    return [short, (month << 8) | day, (hour << 8) | minute, second * 1000 + ms];
  })();
  // A round trip is the cheapest proof that the text was a real date.
  return words && decodeTime(words)?.slice(0, 19) === iso.slice(0, 19) ? words : undefined;
}
