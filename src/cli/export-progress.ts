/** The bar of an export, drawn from the times in the lines that went out. */

const WIDTH = 30;
/** Milliseconds between two drawings. */
const DRAW_EVERY = 100;
/** Where the last time stands in a piece: not far from its end. */
const LOOK_BACK = 2000;
const TIMES = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)\??,|"time":(\d+)/g;

export class ExportProgress {
  readonly #out: { write(text: string): unknown };
  readonly #from: number;
  readonly #to: number;
  readonly #now: () => number;
  #begin: number | undefined;
  #reached = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #bytes = 0;
  #drawn = Number.NEGATIVE_INFINITY;

  /** @param from UTC ms; 0: from the first reading on */
  constructor(out: { write(text: string): unknown }, from: number, to: number, now = () => performance.now()) {
    this.#out = out;
    this.#from = from;
    this.#to = to;
    this.#now = now;
  }

  took(piece: string): void {
    this.#bytes += piece.length;
    for (let at = piece.indexOf('\n'); at >= 0; at = piece.indexOf('\n', at + 1)) this.#lines++;
    this.#begin ??= this.#from > 0 ? this.#from : firstTime(piece);
    for (const time of timesIn(piece.slice(-LOOK_BACK))) this.#reached = Math.max(this.#reached, Math.min(time, this.#to));
    const now = this.#now();
    if (now - this.#drawn < DRAW_EVERY) return;
    this.#drawn = now;
    this.#draw(this.#share());
  }

  /** Leaves the line as it is and goes to the next. */
  end(): void {
    this.#draw(1);
    this.#out.write('\n');
  }

  #share(): number {
    if (this.#begin === undefined || this.#to <= this.#begin) return 0;
    return Math.min(Math.max((this.#reached - this.#begin) / (this.#to - this.#begin), 0), 1);
  }
  #draw(share: number): void {
    const full = Math.round(share * WIDTH);
    const bar = '#'.repeat(full) + '.'.repeat(WIDTH - full);
    const size = `${(this.#bytes / 1024 ** 2).toFixed(1)} MB`;
    this.#out.write(
      `\r[${bar}] ${String(Math.round(share * 100)).padStart(3)} %  ${this.#lines.toLocaleString('en')} lines, ${size} `,
    );
  }
}

function timesIn(text: string): number[] {
  return [...text.matchAll(TIMES)].map(([, iso, ms]) => (iso === undefined ? Number(ms) : Date.parse(iso)));
}
function firstTime(piece: string): number | undefined {
  return timesIn(piece.slice(0, LOOK_BACK))[0];
}
