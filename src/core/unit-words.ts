/**
 * Units as people write them. Data, configuration and topics carry UCUM codes (ucum.org), which have one spelling each and no
 * signs outside of ASCII; people read `°C` and not `Cel`.
 */

/** Codes that no rule below brings into the form that people write. */
const WORDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '1': '',
    Cel: '°C',
    deg: '°',
    Ohm: 'Ω',
    a: 'years',
    bit: 'bit',
    '/min{revolutions}': 'rpm',
    '[HP]': 'hp',
    '[degF]': '°F',
    '[ft_i]': 'ft',
    '[gal_us]': 'gal',
    '[in_i]': 'in',
    '[kn_i]': 'kn',
    '[lb_av]': 'lb',
    '[mi_i]': 'mi',
    '[oz_av]': 'oz',
    '[pH]': 'pH',
    '[ppb]': 'ppb',
    '[ppm]': 'ppm',
    '[psi]': 'psi',
    'kV.A': 'kVA',
    'kV.A.h': 'kVAh',
    'kW.h': 'kWh',
    'A.h': 'Ah',
    'GW.h': 'GWh',
    'N.m': 'Nm',
    'mA.h': 'mAh',
    kOhm: 'kΩ',
    'm3{normal}': 'Nm³',
    '[cft_i]': 'ft³',
    'MW.h': 'MWh',
    'V.A': 'VA',
    'W.h': 'Wh',
    'mm[Hg]': 'mmHg',
    'V.A{reactive}': 'var',
    'kV.A{reactive}': 'kvar',
    'V.A.h{reactive}': 'varh',
    'kV.A.h{reactive}': 'kvarh',
  }),
);
const RAISED: Readonly<Record<string, string>> = { '2': '²', '3': '³' };

/** `Cel` -> `°C`, `m3/h` -> `m³/h`, `uS/cm` -> `µS/cm`, `1` -> ``; a code that it does not know is given back as it is. */
export function unitWords(ucum: string): string {
  const known = WORDS.get(ucum);
  if (known !== undefined) return known;
  return ucum
    .split('/')
    .map((part) => {
      const word = WORDS.get(part);
      if (word !== undefined && part !== '1') return word;
      return part
        .replace(/\{([^}]*)\}/g, (_, annotation: string) => annotation)
        .replace(/^\[(\w+)\]$/, '$1')
        .replace(/^u(?=(?:A|F|g|H|J|l|L|m|mol|N|Pa|s|S|V|W)[23]?$)/, 'µ')
        .replace(/([A-Za-z])([23])$/, (_, letter: string, digit: string) => letter + RAISED[digit]);
    })
    .join('/');
}

/** `4.2 °C`, `41 %`, `12`. @param value as it is shown */
export function withUnit(value: string, ucum: string | undefined): string {
  const unit = ucum === undefined ? '' : unitWords(ucum);
  return unit === '' ? value : `${value} ${unit}`;
}
