/** Units as people write them in a configuration, and the UCUM codes that they mean. */

/** Without regard to capitals, blanks and raised digits. Where capitals matter (mW, MW) a code of `FIELD` is found first. */
const MEANT: Readonly<Record<string, string>> = {
  '°c': 'Cel',
  ...{ degc: 'Cel', degreec: 'Cel', degreesc: 'Cel', celsius: 'Cel', degreescelsius: 'Cel', centigrade: 'Cel', c: 'Cel' },
  '°f': '[degF]',
  ...{ degf: '[degF]', degreesf: '[degF]', fahrenheit: '[degF]' },
  ...{ '°': 'deg', degree: 'deg', degrees: 'deg', '°k': 'K', kelvin: 'K' },
  ...{ kwh: 'kW.h', wh: 'W.h', mwh: 'MW.h', gwh: 'GW.h', ah: 'A.h', mah: 'mA.h', va: 'V.A', kva: 'kV.A', mva: 'MV.A' },
  ...{ vah: 'V.A.h', kvah: 'kV.A.h', var: 'V.A{reactive}', kvar: 'kV.A{reactive}', mvar: 'MV.A{reactive}' },
  ...{ varh: 'V.A.h{reactive}', kvarh: 'kV.A.h{reactive}', volt: 'V', volts: 'V', amp: 'A', amps: 'A', ampere: 'A', watt: 'W' },
  ...{ watts: 'W', 'wh/m2': 'W.h/m2', 'kwh/m2': 'kW.h/m2', hertz: 'Hz', vac: 'V', vdc: 'V', ω: 'Ohm', kω: 'kOhm', ohms: 'Ohm' },
  ...{ ppm: '[ppm]', ppb: '[ppb]', percent: '%', pct: '%', '%rh': '%', rh: '%', '%r.h.': '%', '%vol': '%' },
  ...{ 'ug/m^3': 'ug/m3', 'mg/m^3': 'mg/m3', mcg: 'ug', 'mcg/m3': 'ug/m3', 'mg/lt': 'mg/L' },
  ...{
    'm^3': 'm3',
    'm^2': 'm2',
    cbm: 'm3',
    m3h: 'm3/h',
    'm^3/h': 'm3/h',
    cmh: 'm3/h',
    'nm3/h': 'm3{normal}/h',
    nm3: 'm3{normal}',
  },
  ...{ lpm: 'L/min', lps: 'L/s', lph: 'L/h', liter: 'L', litre: 'L', liters: 'L', litres: 'L', ltr: 'L' },
  ...{ gpm: '[gal_us]/min', gal: '[gal_us]', gallon: '[gal_us]', gallons: '[gal_us]', cfm: '[cft_i]/min', ft3: '[cft_i]' },
  ...{ rpm: '/min{revolutions}', 'r/min': '/min{revolutions}', 'rev/min': '/min{revolutions}', bpm: '/min' },
  ...{ psi: '[psi]', barg: 'bar', bara: 'bar', 'bar(g)': 'bar', 'kgf/cm^2': 'kgf/cm2', mmhg: 'mm[Hg]', inhg: "[in_i'Hg]" },
  ...{ mmh2o: 'mm[H2O]', mh2o: 'm[H2O]', mwc: 'm[H2O]', mws: 'm[H2O]', mbars: 'mbar', torr: 'mm[Hg]' },
  ...{ ph: '[pH]', ntu: '[NTU]', fnu: '[FNU]', knots: '[kn_i]', knot: '[kn_i]', kn: '[kn_i]', kt: '[kn_i]', kts: '[kn_i]' },
  ...{ 'km/hour': 'km/h', kmh: 'km/h', kmph: 'km/h', kph: 'km/h', mph: '[mi_i]/h', 'm/sec': 'm/s', 'w/m^2': 'W/m2' },
  ...{ sec: 's', secs: 's', second: 's', seconds: 's', mins: 'min', minute: 'min', minutes: 'min', hour: 'h', hours: 'h' },
  ...{ hr: 'h', hrs: 'h', day: 'd', days: 'd', week: 'wk', weeks: 'wk', year: 'a', years: 'a', msec: 'ms' },
  ...{ lux: 'lx', in: '[in_i]', inch: '[in_i]', inches: '[in_i]', feet: '[ft_i]', foot: '[ft_i]', ft: '[ft_i]', yd: '[yd_i]' },
  ...{ mi: '[mi_i]', mile: '[mi_i]', miles: '[mi_i]', lb: '[lb_av]', lbs: '[lb_av]', oz: '[oz_av]', hp: '[HP]', btu: '[Btu]' },
  ...{
    meter: 'm',
    meters: 'm',
    metre: 'm',
    metres: 'm',
    kgs: 'kg',
    kilo: 'kg',
    gm: 'g',
    gram: 'g',
    grams: 'g',
    ton: 't',
    tons: 't',
  },
  ...{ nm: 'N.m', knm: 'kN.m', 'db(a)': 'dB{A}', dba: 'dB{A}', dbm: 'dB{mW}', count: '1', counts: '1', pcs: '1', none: '1' },
  ...{ pulse: '{pulses}', pulses: '{pulses}', '-': '1', 'n/a': '1' },
};

/** Codes that people write with the wrong capitals: KW, hz, mv, Bar. */
const FIELD = [
  'V mV kV A mA kA W mW kW MW Hz kHz MHz Pa hPa kPa MPa bar mbar K m cm mm um km kg g mg ug t L mL m3 m2 s ms us min h d',
  'L/s L/min L/h m3/h m3/min m3/s m3/d kg/h t/h m/s km/h mm/h mm/min mg/L ug/L g/L g/m3 mg/m3 ug/m3 W/m2 kW/m2 J kJ MJ GJ',
  'uS/cm mS/cm S/m lx klx dB N kN N.m kgf/cm2 Ohm kOhm MOhm F uF rad mol/L kW.h W.h MW.h V.A kV.A A.h cd lm Bq uSv/h J/kg',
].flatMap((line) => line.split(' '));

/** The code that was probably meant by a text that is no code. */
export function meantUnit(text: string): string | undefined {
  const plain = plainly(text);
  if (FIELD.includes(plain)) return plain;
  const small = plain.toLowerCase();
  const known = Object.hasOwn(MEANT, small) ? MEANT[small] : undefined;
  if (known !== undefined) return known;
  const alike = FIELD.filter((code) => code.toLowerCase() === small);
  if (alike[0] !== undefined) return alike[0];
  // `m3/hr`, `l/hour`, `kg/sec`: the unit of time is a word.
  const [, amount = '', time = ''] = /^(.+)\/([a-z]+)$/i.exec(plain) ?? [];
  const per = Object.hasOwn(MEANT, time.toLowerCase()) ? MEANT[time.toLowerCase()] : undefined;
  return FIELD.find((code) => per !== undefined && code.toLowerCase() === `${amount}/${per}`.toLowerCase());
}

/** Signs of keyboards and of data sheets that mean the same. */
function plainly(text: string): string {
  return text
    .slice(0, 64)
    .replaceAll('℃', '°C')
    .replaceAll('℉', '°F')
    .replaceAll(/[ºo˚](?=[CF]$)/g, '°')
    .replaceAll(/[µμ]/g, 'u')
    .replaceAll('\u2126', 'Ω')
    .replaceAll('²', '2')
    .replaceAll('³', '3')
    .replaceAll(/[·⋅*]/g, '.')
    .replaceAll(/\s/g, '');
}

interface Doubt {
  /** What the code means. */
  readonly is: string;
  /** What its author probably means. */
  readonly meant: string;
  readonly code: string;
}

/** Valid codes that mean something which hardly an instrument measures. */
const DOUBTS: Readonly<Record<string, Doubt & { readonly unless?: RegExp; readonly only?: RegExp }>> = {
  C: { is: 'the coulomb', meant: 'degrees Celsius', code: 'Cel', unless: /charge|coulomb/ },
  F: { is: 'the farad', meant: 'degrees Fahrenheit', code: '[degF]', unless: /capac|farad/ },
  deg: { is: 'the degree of an angle', meant: 'degrees Celsius', code: 'Cel', only: /temp/ },
  pH: { is: 'the picohenry', meant: 'acidity', code: '[pH]', unless: /induct/ },
  PH: { is: 'the petahenry', meant: 'acidity', code: '[pH]' },
  ph: { is: 'the phot, a unit of light', meant: 'acidity', code: '[pH]' },
  'kW/h': { is: 'kilowatts per hour', meant: 'energy', code: 'kW.h' },
  'W/h': { is: 'watts per hour', meant: 'energy', code: 'W.h' },
  'MW/h': { is: 'megawatts per hour', meant: 'energy', code: 'MW.h' },
  'A/h': { is: 'amperes per hour', meant: 'charge', code: 'A.h' },
  ft: { is: 'the femtotonne', meant: 'feet', code: '[ft_i]' },
  mph: { is: 'the milliphot, a unit of light', meant: 'miles per hour', code: '[mi_i]/h' },
  kph: { is: 'the kilophot, a unit of light', meant: 'kilometres per hour', code: 'km/h' },
  'us/cm': { is: 'microseconds per centimetre', meant: 'conductivity', code: 'uS/cm' },
  'ms/cm': { is: 'milliseconds per centimetre', meant: 'conductivity', code: 'mS/cm' },
  kt: { is: 'the kilotonne', meant: 'knots', code: '[kn_i]', only: /wind|speed|gust/ },
  S: { is: 'the siemens', meant: 'seconds', code: 's', only: /time|delay|duration|seconds|uptime/ },
  G: { is: 'the gauss', meant: 'grams', code: 'g', only: /weight|mass/ },
  P: { is: 'the poise', meant: 'pascals', code: 'Pa', only: /press/ },
  a: { is: 'the year', meant: 'amperes', code: 'A', only: /current|amp/ },
  H: { is: 'the henry', meant: 'hours', code: 'h', only: /hour|time|run/ },
};

export function doubtOf(code: string, point: string): Doubt | undefined {
  const doubt = Object.hasOwn(DOUBTS, code) ? DOUBTS[code] : undefined;
  if (doubt === undefined || doubt.unless?.test(point) || (doubt.only && !doubt.only.test(point))) return undefined;
  return doubt;
}
