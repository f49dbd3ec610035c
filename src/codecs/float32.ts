const scratch = new DataView(new ArrayBuffer(4));
const POWERS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/**
 * The double with the fewest decimals that still rounds to the same float32: what a meter sends as 23.4 is given as
 * 23.4 and not as 23.399999618530273. `Math.fround` of the result gives the float32 back, so nothing is lost.
 * @param v a float32 held in a double
 */
export function shortestFloat32(v: number): number {
  if (!Number.isFinite(v)) return v;
  const size = Math.abs(v);
  if (size < 1e9 && size > 1e-3) {
    // Where k decimals are enough, more are enough too. The search therefore may begin anywhere.
    let k = guess;
    let found = rounded(v, k);
    if (Math.fround(found) === v)
      for (; k > 0; k--) {
        const fewer = rounded(v, k - 1);
        if (Math.fround(fewer) !== v) break;
        found = fewer;
      }
    else
      do {
        if (++k === POWERS.length) return byDigits(v);
        found = rounded(v, k);
      } while (Math.fround(found) !== v);
    guess = k;
    return found;
  }
  return byDigits(v);
}

/** Decimals of the number before: neighbours in a column mostly have as many. */
let guess = 0;

function rounded(v: number, decimals: number): number {
  const p = POWERS[decimals] as number;
  return Math.round(v * p) / p;
}

/** The slow way, for the very large and the very small, and for what has more decimals. */
function byDigits(v: number): number {
  // Nine significant digits always tell two float32 apart (IEEE 754).
  for (let digits = 1; digits < 9; digits++) {
    const r = Number(v.toPrecision(digits));
    if (Math.fround(r) === v) return Object.is(v, -0) ? -0 : r;
  }
  return Number(v.toPrecision(9));
}

/** The bits of a float32. */
export function float32Bits(v: number): number {
  scratch.setFloat32(0, v);
  return scratch.getUint32(0);
}
export function float32FromBits(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}
