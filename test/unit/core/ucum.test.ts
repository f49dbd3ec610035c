import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ucumDoubt, ucumFault } from '../../../src/core/ucum.ts';

test('codes of UCUM are taken, whatever they are made of', () => {
  const codes =
    "Cel [degF] K % 1 V mV kV A mA W kW MW V.A kV.A V.A{reactive} kV.A.h{reactive} W.h kW.h A.h Hz kHz bar mbar hPa kPa Pa [psi] mm[Hg] m[H2O] [in_i'H2O] [ppm] [ppb] ug/m3 mg/L g/m3 m cm mm km kg t L mL m3 L/min m3/h L/s m/s km/h [kn_i] deg rad lx klx dB B[SPL] S/m uS/cm mS/cm Ohm kOhm [pH] [NTU] /min /min{revolutions} {count} {particles}/dL 10*3/mL 10*-6 /h d a min s ms us mol/L J kJ cal Btu_IT W/m2 J/(kg.K) cd Bq uSv/h V2 s-1 s+1 dar N.m Mbit/s 100.W {SoC}% %{RH} m/s2 uT G F uF H";
  const refused = codes
    .replace('Btu_IT', '[Btu_IT]')
    .split(' ')
    .filter((code) => ucumFault(code) !== undefined);
  assert.deepEqual(refused, ['{SoC}%']);
});

test('what is none is refused, with its code where it is known', () => {
  for (const code of [
    '',
    ' ',
    'V ',
    'kWh',
    '°C',
    'degC',
    'µg/m³',
    'ppm',
    'VAr',
    'kV.A.h(reactive)',
    'm^3',
    'm**3',
    'L/ min',
    'k',
    '/',
    'V.',
    '.V',
    'V//A',
    '(V',
    'V)',
    '{V',
    'foo',
    'x'.repeat(65),
    '0',
    '-1',
    '5e3',
    'm{a b}',
  ])
    assert.notEqual(ucumFault(code), undefined, code);
  assert.match(ucumFault('°C') ?? '', /"°C" is not a UCUM code; write Cel, which is shown as °C/);
  assert.match(ucumFault('kvarh') ?? '', /write 'kV\.A\.h\{reactive\}', which is shown as kvarh/);
  assert.match(ucumFault('blub') ?? '', /is not a UCUM code \(Cel, %, kW\.h/);
  assert.match(ucumFault('constructor') ?? '', /is not a UCUM code \(Cel/);
});

test('units as people type them lead to their code', () => {
  const typed = [
    ['Cel', 'ºC ℃ oC degC'],
    ['kW.h', 'KWH Kwh'],
    ["'%'", '%RH'],
    ['L/min', 'LPM lpm'],
    ['m3/h', 'm³/h m3/hr M3/H'],
    ['W/m2', 'W/m²'],
    ['ug/m3', 'µg/m3 μg/m³ ug/m^3'],
    ["'[psi]'", 'psi PSI'],
    ["'/min{revolutions}'", 'rpm RPM'],
    ["'mm[Hg]'", 'mmHg'],
    ['kPa', 'KPA kpa'],
    ['Ohm', 'Ω \u2126'],
  ] as const;
  for (const [code, texts] of typed)
    for (const text of texts.split(' '))
      assert.ok(ucumFault(text)?.startsWith(`"${text}" is not a UCUM code; write ${code}`), `${text}: ${ucumFault(text)}`);
});

test('a valid code that is hardly meant is doubted by the name of the point', () => {
  assert.match(ucumDoubt('C', 'temperature') ?? '', /coulomb; if you mean degrees Celsius, write Cel/);
  assert.equal(ucumDoubt('C', 'battery-charge'), undefined);
  assert.match(ucumDoubt('pH', 'water') ?? '', /picohenry; if you mean acidity, write '\[pH\]'/);
  assert.match(ucumDoubt('deg', 'air-temperature') ?? '', /write Cel/);
  assert.equal(ucumDoubt('deg', 'wind-direction'), undefined);
  assert.match(ucumDoubt('kW/h', 'energy') ?? '', /write kW\.h/);
  for (const code of ['Cel', 'K', 'h', 'V', '%', 'constructor']) assert.equal(ucumDoubt(code, 'temperature'), undefined, code);
});
