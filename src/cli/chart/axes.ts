/** Where the lines of a grid lie and what stands at them: round numbers, and times of the zone of this machine. Pure but for that zone. */

const STEPS = [1, 2, 5, 10];
/** Numbers that are closer to each other are one. */
const TINY = 1e-200;

export interface NumberAxis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
}

/** @param low at most `high`; both far from the largest number that there is */
export function numberAxis(low: number, high: number, most = 5): NumberAxis {
  const apart = high - low > TINY;
  const span = apart ? high - low : Math.max(Math.abs(high) / 10, TINY) > TINY ? Math.abs(high) / 10 : 1;
  const middle = (low + high) / 2;
  const [from, to] = apart ? [low, high] : [middle - span / 2, middle + span / 2];
  const rough = span / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * (STEPS.find((s) => s * power >= rough * 0.999) ?? 10);
  const first = Math.floor(from / step + 1e-9);
  const last = Math.ceil(to / step - 1e-9);
  // Numbers far from zero may have too few digits for the steps between them: `i + 1` may even be `i`.
  const countable = Number.isSafeInteger(first) && Number.isSafeInteger(last) && last - first <= 2 * most + 2;
  if (!Number.isFinite(step) || step <= 0 || !countable)
    return { low: from, high: to, ticks: [low, high].map((value) => ({ value, label: String(value) })) };
  const ticks: { value: number; label: string }[] = [];
  for (let i = first; i <= last; i++) ticks.push({ value: i * step, label: numberWords(i * step, step) });
  return { low: first * step, high: last * step, ticks };
}

/** With the decimals that the step needs; a space between thousands. */
function numberWords(value: number, step: number): string {
  if (Math.abs(value) >= 1e9 || (step < 1e-6 && step > 0)) return String(Number(value.toPrecision(6)));
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const text = value.toFixed(decimals);
  return Math.abs(value) >= 10_000 ? text.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f') : text;
}

/** Four digits, as an instrument shows them. */
export function shortNumber(value: number): string {
  if (value !== 0 && (Math.abs(value) >= 1e9 || Math.abs(value) < 1e-3)) return String(Number(value.toPrecision(4)));
  const decimals = Math.min(Math.max(3 - Math.floor(Math.log10(Math.abs(value) || 1)), 0), 3);
  return String(Number(value.toFixed(Math.min(decimals, 2))));
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Below a day. */
const CLOCK_STEPS = [
  ...[SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 30 * SECOND],
  ...[MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE],
  ...[HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR],
];
const DAY_STEPS = [1, 2, 4, 7, 14];
const MONTH_STEPS = [1, 2, 3, 6];
const YEAR_STEPS = [1, 2, 5, 10, 20, 50, 100];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTH = 30 * DAY;
const YEAR = 365 * DAY;
/** Bounds the loop below, whatever the range is. */
const MOST_TICKS = 40;

export interface TimeTick {
  readonly time: number;
  readonly label: string;
  /** The day, where it is a new one. */
  readonly day?: string | undefined;
}

/** Round local times in from..to, at most about `most`. */
export function timeTicks(from: number, to: number, most = 8): TimeTick[] {
  const least = (to - from) / most;
  const at = new Date(from);
  const [year, month, day] = [at.getFullYear(), at.getMonth(), at.getDate()];
  const clock = CLOCK_STEPS.find((step) => step >= least);
  if (clock !== undefined) {
    // Back by two hours: the day may have been longer or shorter than others.
    const begin = Math.floor((from - new Date(year, month, day).getTime() - 2 * HOUR) / clock);
    return ticks(
      from,
      to,
      (k) => new Date(year, month, day, 0, 0, ((begin + k) * clock) / SECOND),
      clock < MINUTE ? seconds : minutes,
    );
  }
  const days = DAY_STEPS.find((n) => n * DAY >= least);
  if (days !== undefined) return ticks(from, to, (k) => new Date(year, month, day + k * days), dayWords);
  const months = MONTH_STEPS.find((n) => n * MONTH >= least);
  if (months !== undefined)
    return ticks(
      from,
      to,
      (k) => new Date(year, (Math.floor(month / months) + k) * months),
      (d) => `${MONTHS[d.getMonth()]} ${d.getFullYear()}`,
    );
  const years = YEAR_STEPS.find((n) => n * YEAR >= least) ?? 1000;
  return ticks(
    from,
    to,
    (k) => new Date((Math.floor(year / years) + k) * years, 0),
    (d) => String(d.getFullYear()),
  );
}

function ticks(from: number, to: number, at: (k: number) => Date, words: (date: Date) => string): TimeTick[] {
  const found: TimeTick[] = [];
  const clock = words === minutes || words === seconds;
  let day = '';
  for (let k = 0, before = Number.NEGATIVE_INFINITY; found.length < MOST_TICKS; k++) {
    const date = at(k);
    const time = date.getTime();
    if (!(time <= to)) break;
    if (time < from || time <= before) continue;
    before = time;
    const today = dayWords(date);
    found.push({ time, label: words(date), ...(clock && today !== day && { day: today }) });
    day = today;
  }
  return found;
}

const two = (n: number): string => String(n).padStart(2, '0');
const minutes = (d: Date): string => `${two(d.getHours())}:${two(d.getMinutes())}`;
const seconds = (d: Date): string => `${minutes(d)}:${two(d.getSeconds())}`;
const dayWords = (d: Date): string => `${d.getDate()} ${MONTHS[d.getMonth()]}`;

/** `26 Nov 14:02`; with the year where it is not that of `beside`. */
export function momentWords(ms: number, beside: number): string {
  const [at, other] = [new Date(ms), new Date(beside)];
  const year = at.getFullYear() === other.getFullYear() ? '' : ` ${at.getFullYear()}`;
  return `${dayWords(at)}${year} ${minutes(at)}`;
}

/** `UTC+06:00`; both where the clocks change in between. */
export function zoneWords(from: number, to: number): string {
  const [first, last] = [from, to].map((ms) => {
    const east = -new Date(ms).getTimezoneOffset();
    const size = Math.abs(east);
    return east === 0 ? 'UTC' : `UTC${east < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  });
  return first === last ? `${first}` : `${first}, later ${last}`;
}
