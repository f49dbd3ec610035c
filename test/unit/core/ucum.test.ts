import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ucumFault } from '../../../src/core/ucum.ts';

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
  assert.match(ucumFault('°C') ?? '', /"°C" is no UCUM code; write Cel/);
  assert.match(ucumFault('kvarh') ?? '', /write kV\.A\.h\{reactive\}/);
  assert.match(ucumFault('blub') ?? '', /is no UCUM code \(Cel, %, kW\.h/);
  assert.match(ucumFault('constructor') ?? '', /is no UCUM code \(Cel/);
});
