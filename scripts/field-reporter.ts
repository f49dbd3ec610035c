/**
 * A reporter of node:test for scripts/test-field.sh: how many tests passed, failed and were skipped, in all and in each case, as one JSON
 * text. A case is a test at the top of a file, with the tests inside of it.
 */
import path from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import type { CaseResult, FieldResults, Sums } from './field-record.ts';

const NOTHING: Sums = { passed: 0, failed: 0, skipped: 0 };

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const cases: CaseResult[] = [];
  let all: Sums = NOTHING;
  // Tests inside of a case are told before it.
  let inside: Sums = NOTHING;
  for await (const event of events) {
    if (event.type === 'test:summary' && event.data.file === undefined) {
      // The types of Node leave `failed` out.
      const counts = event.data.counts as typeof event.data.counts & { readonly failed: number };
      const { passed, failed, cancelled, skipped, todo } = counts;
      all = { passed, failed: failed + cancelled, skipped: skipped + todo };
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { file = '', name, nesting, details, skip, todo } = event.data;
    const without = isSet(skip) || isSet(todo);
    inside = {
      passed: inside.passed + Number(event.type === 'test:pass' && !without),
      failed: inside.failed + Number(event.type === 'test:fail' && !without),
      skipped: inside.skipped + Number(without),
    };
    if (nesting > 0) continue;
    const seconds = Math.round(details.duration_ms / 1000);
    cases.push({ file: path.relative(process.cwd(), file), name, ...inside, seconds });
    inside = NOTHING;
  }
  yield `${JSON.stringify({ ...all, cases } satisfies FieldResults)}\n`;
}

/** A skip without a reason is an empty text. */
const isSet = (reason: string | boolean | undefined): boolean => reason !== undefined && reason !== false;
