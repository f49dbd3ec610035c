/** Times as people on site read them: of their own zone, with no more of the date than is needed. */

const two = (n: number): string => String(n).padStart(2, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

function day(at: Date): string {
  return `${at.getDate()} ${MONTHS[at.getMonth()]}`;
}

/** `14:02:07` today, `25 Nov 14:02:07` in the days before, `25 Nov 2024 14:02:07` in another year. @param now UTC ms */
export function localTime(ms: number, now: number): string {
  const [at, today] = [new Date(ms), new Date(now)];
  const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (at.getFullYear() !== today.getFullYear()) return `${day(at)} ${at.getFullYear()} ${clock}`;
  return day(at) === day(today) ? clock : `${day(at)} ${clock}`;
}

/** `+06:00`, `+00:00` */
function offset(at: Date): string {
  const east = -at.getTimezoneOffset();
  return `${east < 0 ? '-' : '+'}${two(Math.floor(Math.abs(east) / 60))}:${two(Math.abs(east) % 60)}`;
}

/** `26 Nov 2026 14:02:07 UTC+06:00` */
export function localDate(ms: number): string {
  const at = new Date(ms);
  const zone = at.getTimezoneOffset() === 0 ? 'UTC' : `UTC${offset(at)}`;
  return `${day(at)} ${at.getFullYear()} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone}`;
}

/** `14:02:07.120+06:00`, for lines that come one after the other. */
export function localClock(ms: number): string {
  const at = new Date(ms);
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':');
  return `${clock}.${String(at.getMilliseconds()).padStart(3, '0')}${offset(at)}`;
}
