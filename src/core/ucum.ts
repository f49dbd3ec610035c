/**
 * Whether a unit is a code of UCUM, the Unified Code for Units of Measure (ucum.org, version 2.2, case sensitive), and what
 * was probably meant when it is none. The grammar is whole; of the atoms those that instruments measure in are here.
 */

import { doubtOf, meantUnit } from './unit-mistakes.ts';
import { unitWords } from './unit-words.ts';

/** Base units and those that UCUM calls metric: they may have a prefix, as in `kW`, `mA`, `hPa`. */
const METRIC = new Set(
  [
    'm s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv kat L l ar t bar u eV pc',
    'B Np B[SPL] B[V] B[mV] B[uV] B[W] B[kW] st Ci R RAD REM G Mx Gb Oe P St dyn erg Ky Gal ph sb Lmb',
    'm[H2O] m[Hg] g% tex osm eq U [iU] [IU] cal cal_[15] cal_th cal_IT bit Bd mho gf [g] [c]',
  ].flatMap((line) => line.split(' ')),
);
/** Stand alone. */
const PLAIN = new Set(
  [
    "% [ppth] [ppm] [ppb] [pptr] [pi] 10* 10^ min h d wk mo mo_j a a_j a_t deg ' '' gon circ sph atm att b",
    '[in_i] [ft_i] [yd_i] [mi_i] [nmi_i] [kn_i] [mil_i] [sin_i] [sft_i] [cin_i] [cft_i] [cyd_i] [acr_us] [bf_i]',
    '[gal_us] [qt_us] [pt_us] [foz_us] [gal_br] [bbl_us] [bu_us] [degF] [degR] [degRe] [lb_av] [oz_av] [lbf_av]',
    "[psi] [Btu] [Btu_IT] [Btu_th] [HP] [Cal] [in_i'H2O] [in_i'Hg] [pH] [NTU] [FNU] [CFU] [arb'U] [diop] [ston_av]",
  ].flatMap((line) => line.split(' ')),
);
const PREFIXES = ['da', 'Ki', 'Mi', 'Gi', 'Ti', ...'YZEPTGMkhdcmunpfazy'];

/** Why a text is not a UCUM code, with what to write instead where that is known; undefined for a code. */
export function ucumFault(code: string): string | undefined {
  if (new Parser(code).ok()) return undefined;
  const meant = meantUnit(code);
  const instead = meant === undefined ? ' (Cel, %, kW.h, V, ug/m3 are some)' : `; write ${shown(meant)}`;
  return `"${code}" is not a UCUM code${instead}`;
}

/** Why a code is valid but hardly means what its author thinks, with what to write instead. @param point the name of the point */
export function ucumDoubt(code: string, point: string): string | undefined {
  const doubt = doubtOf(code, point);
  return doubt && `"${code}" is the UCUM code for ${doubt.is}; if you mean ${doubt.meant}, write ${shown(doubt.code)}`;
}

/** As it stands in a YAML file, and as people see it. */
function shown(code: string): string {
  const words = unitWords(code);
  const written = /[[\]{}%]|^\d/.test(code) ? `'${code}'` : code;
  return words === '' || words === code ? written : `${written}, which is shown as ${words}`;
}

/** Recursive descent over the grammar of UCUM, section 2.3. Depth is bounded by the length of the text. */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  ok(): boolean {
    // 64 characters: no unit of the field is longer.
    if (this.#text === '' || this.#text.length > 64) return false;
    if (this.#text[0] === '/') this.#at++;
    return this.#term() && this.#at === this.#text.length;
  }

  #term(): boolean {
    if (!this.#component()) return false;
    while (this.#text[this.#at] === '.' || this.#text[this.#at] === '/') {
      this.#at++;
      if (!this.#component()) return false;
    }
    return true;
  }

  #component(): boolean {
    if (this.#text[this.#at] === '(') {
      this.#at++;
      if (!this.#term() || this.#text[this.#at] !== ')') return false;
      this.#at++;
      return true;
    }
    if (this.#annotation()) return true;
    const rest = this.#text.slice(this.#at);
    // `10*3` is a power of ten, `100` a factor.
    const [word = ''] = /^(?:10[*^]|(?:\[[^\]]*\]|[^\d./(){}+[\]-])+(?:\[[^\]]*\])?)/.exec(rest) ?? [];
    if (word !== '' && isSimple(word)) {
      this.#at += word.length;
      this.#at += /^[+-]?\d*/.exec(this.#text.slice(this.#at))?.[0].length ?? 0;
    } else {
      const [factor] = /^[1-9]\d*/.exec(rest) ?? [];
      if (factor === undefined) return false;
      this.#at += factor.length;
    }
    this.#annotation();
    return true;
  }

  #annotation(): boolean {
    const [text] = /^\{[\x21-\x7a|~]*\}/.exec(this.#text.slice(this.#at)) ?? [];
    if (text === undefined) return false;
    this.#at += text.length;
    return true;
  }
}

function isSimple(word: string): boolean {
  if (METRIC.has(word) || PLAIN.has(word)) return true;
  return PREFIXES.some((prefix) => word.startsWith(prefix) && METRIC.has(word.slice(prefix.length)));
}
