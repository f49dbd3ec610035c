import assert from 'node:assert/strict';
import test from 'node:test';
import { unitWords, withUnit } from '../../../src/core/unit-words.ts';

test('UCUM codes become what people write', () => {
  const words = {
    ...{ Cel: '°C', '%': '%', '1': '', 'kW.h': 'kWh', 'V.A': 'VA', 'V.A{reactive}': 'var', deg: '°', Ohm: 'Ω', V: 'V' },
    ...{ 'ug/m3': 'µg/m³', 'mg/L': 'mg/L', 'uS/cm': 'µS/cm', 'm3/h': 'm³/h', m2: 'm²', 'W/m2': 'W/m²', '1/min': '1/min' },
    ...{ '[ppm]': 'ppm', '[NTU]': 'NTU', '[degF]': '°F', '{particles}/dL': 'particles/dL', umol: 'µmol', units: 'units' },
  };
  for (const [code, text] of Object.entries(words)) assert.equal(unitWords(code), text, code);
});

test('a code that is the name of something in the language stays as it is', () => {
  for (const code of ['valueOf', 'constructor', '__proto__', 'm/toString']) assert.equal(unitWords(code), code);
});

test('a value stands before its unit, and alone where it has none', () => {
  assert.deepEqual([withUnit('4.2', 'Cel'), withUnit('7', '1'), withUnit('on', undefined)], ['4.2 °C', '7', 'on']);
});
