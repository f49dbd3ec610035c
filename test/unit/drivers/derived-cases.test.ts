/** Golden timelines of computed points; test/cases/derived/README.md explains them. `SLUICE_GOLDEN=write` writes them. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { ReasonName } from '../../../src/core/reasons.ts';
import { formatDuration, parseDuration } from '../../../src/core/units.ts';
import { type DerivedBench, derivedBench, type Given, MemoryBench, sampleWords } from '../../fakes/derived-bench.ts';

const CASES = path.join(import.meta.dirname, '../../cases/derived');
/** A Monday, 00:00 UTC. */
const START = Date.UTC(2026, 10, 23);

function ms(text: string | undefined): number {
  const found = parseDuration(text ?? '');
  assert.ok(found !== undefined, `${text} is a duration`);
  return found;
}

function givenOf(text: string): Given {
  const [, value = '', sign, reason] = /^(-?[\d.]*)(?:([!?])(.*))?$/.exec(text) ?? [];
  if (sign === undefined) return Number(value);
  return { reason: reason as ReasonName, ...(sign === '?' ? { value: Number(value) } : {}) };
}

class Play {
  readonly #sources: Record<string, string> = {};
  readonly #points: string;
  readonly #lines: string[] = [];
  readonly #memory = new MemoryBench();
  #bench: DerivedBench | undefined;
  /** The start of this run, ms after the beginning. */
  #origin = 0;
  #step = 0;

  constructor(points: string) {
    this.#points = points;
  }

  async line(text: string): Promise<void> {
    const [word = '', ...rest] = text.trim().split(/ +/);
    if (word === 'source') this.#sources[rest[0] ?? ''] = rest[1] ?? '';
    else if (word === 'repeat') for (let i = 0; i < Number(rest[0]); i++) await this.line(rest.slice(1).join(' '));
    else if (word === 'clock') {
      this.#step += (rest[0]?.startsWith('-') ? -1 : 1) * ms(rest[0]?.slice(1));
      const bench = this.#running();
      bench.wall.offset = START + this.#origin + this.#step;
      bench.clockChanged();
    } else if (word === 'restart' || word === 'kill') {
      const bench = this.#running();
      if (word === 'restart') await bench.bus.stop();
      this.#tell();
      this.#memory.ended();
      this.#origin += bench.clock.monotonic() + ms(rest[0]);
      this.#bench = undefined;
      this.#lines.push(`${word} ${rest[0]}`);
      this.#running();
    } else {
      const bench = this.#running();
      await bench.clock.advance(ms(word));
      const late = rest[0] === 'ago' ? ms(rest[1]) : 0;
      const [device = '', ...values] = late > 0 ? rest.slice(2) : rest;
      const given = values.map((value): [string, Given] => {
        const at = value.indexOf('=');
        return [value.slice(0, at), givenOf(value.slice(at + 1))];
      });
      bench.give(device, Object.fromEntries(given), bench.clock.monotonic() - late);
    }
    this.#tell();
  }

  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  #running(): DerivedBench {
    this.#bench ??= derivedBench(this.#sources, this.#points, {
      memory: this.#memory,
      wall: { offset: START + this.#origin + this.#step, known: true },
    });
    return this.#bench;
  }

  #tell(): void {
    for (const sample of this.#bench?.samples.splice(0) ?? [])
      this.#lines.push(`${formatDuration(this.#origin + sample.at)} ${sampleWords(sample)}`);
  }
}

for (const name of readdirSync(CASES, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])))
  test(`derived case: ${name}`, async () => {
    const file = (of: string): string => path.join(CASES, name, of);
    const play = new Play(`\n${readFileSync(file('points.yaml'), 'utf8')}`);
    for (const line of readFileSync(file('steps.txt'), 'utf8').split('\n'))
      if (line.trim() !== '' && !line.startsWith('#')) await play.line(line);
    if (process.env.SLUICE_GOLDEN === 'write') writeFileSync(file('expected.txt'), play.text);
    assert.equal(play.text, readFileSync(file('expected.txt'), 'utf8'));
  });
