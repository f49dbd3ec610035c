/**
 * Reporter of `npm test`: reads the TAP of the runner on standard input. It prints one line per file while the tests run; then
 * each failure with what a person needs and each skip with its install line. A test with a name of 90 characters or more fails. The sums go to the file that SLUICE_TEST_SUMS
 * names, as `PASSED FAILED SKIPPED`: scripts/test.sh adds its own checks and prints the last line. The failures are added to the
 * file that SLUICE_TEST_FAILURES names: scripts/test.sh shows them again at its end, where a log that was cut still has them.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import { Parser, type Result } from 'tap-parser';

/** What node:test writes below a failed test, and what the runner writes below a file that did not end well. */
interface Details {
  failureType?: string;
  error?: string;
  expected?: unknown;
  actual?: unknown;
  stack?: string;
  location?: string;
  exitCode?: number | null;
  signal?: string | null;
  timeout?: number;
}
interface Count {
  passed: number;
  failed: number;
  skipped: number;
}
const STACK_LINES = 60;
/** Characters. Templates are filled in here, so this bound sees the whole name, which test/architecture.test.ts cannot. */
const LONGEST_NAME = 89;

const failures: string[] = [];
const skips = new Map<string, number>();
const total: Count = { passed: 0, failed: 0, skipped: 0 };

function watchFile(file: string, parser: Parser): Count {
  const count: Count = { passed: 0, failed: 0, skipped: 0 };
  const watch = (inner: Parser, names: readonly string[]): void => {
    inner.on('child', (child: Parser) => watch(child, [...names, child.name]));
    inner.on('assert', (result: Result) => {
      const details = (result.diag ?? {}) as Details;
      if (result.skip || result.todo) {
        count.skipped++;
        const words = typeof result.skip === 'string' ? result.skip : result.name;
        skips.set(words, (skips.get(words) ?? 0) + 1);
      } else if (result.ok && result.name.length <= LONGEST_NAME) {
        count.passed++;
      } else {
        count.failed++;
        if (result.name.length > LONGEST_NAME)
          failures.push(
            `✖ ${[file, ...names, result.name].join(' › ')}\n    this name has ${result.name.length} characters: shorten it to under ${LONGEST_NAME + 1}, to what it asserts`,
          );
        // A parent fails because a child did: the child is the one to show.
        if (!result.ok && details.failureType !== 'subtestsFailed')
          failures.push(`✖ ${[file, ...names, result.name].join(' › ')}\n${describe(details)}`);
      }
    });
  };
  watch(parser, []);
  return count;
}

const root = new Parser();
const counts = new Map<string, Count>();
root.on('child', (child: Parser) => counts.set(child.name, watchFile(child.name, child)));
root.on('assert', (result: Result) => {
  const count = counts.get(result.name) ?? { passed: 0, failed: 0, skipped: 0 };
  const details = (result.diag ?? {}) as Details;
  if (!result.ok && count.failed === 0) {
    // The process ended before its tests did, or none of them ran.
    count.failed = 1;
    const how = details.signal ? `was ended by ${details.signal}` : `exit status ${details.exitCode ?? 'unknown'}`;
    failures.push(`✖ ${result.name} did not run to its end: ${details.timeout ? `no end within ${details.timeout} ms` : how}`);
  }
  const parts = [`${count.passed} passed`];
  if (count.failed > 0) parts.push(`${count.failed} failed`);
  if (count.skipped > 0) parts.push(`${count.skipped} skipped`);
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
  process.stdout.write(
    `${result.ok && count.failed === 0 ? '✔' : '✖'} ${result.name}: ${parts.join(', ')} (${((result.time ?? 0) / 1000).toFixed(1)} s)\n`,
  );
});
root.on('bailout', (reason: string) => {
  total.failed++;
  failures.push(`✖ the run was given up: ${reason}`);
});
root.on('complete', () => {
  if (!root.ok && total.failed === 0) {
    total.failed++;
    failures.push('✖ the runner ended before all files had run');
  }
  if (failures.length > 0) process.stdout.write(`\n${failures.join('\n\n')}\n`);
  if (skips.size > 0) {
    process.stdout.write('\nSkipped:\n');
    for (const [words, count] of skips) process.stdout.write(`  ${words}${count > 1 ? ` (${count} tests)` : ''}\n`);
  }
  const sums = process.env.SLUICE_TEST_SUMS;
  const again = process.env.SLUICE_TEST_FAILURES;
  if (again !== undefined && failures.length > 0) appendFileSync(again, `${failures.join('\n\n')}\n\n`);
  if (sums !== undefined) writeFileSync(sums, `${total.passed} ${total.failed} ${total.skipped}\n`);
});
process.stdin.pipe(root);

/** The message (with its difference), the place, and the part of the stack that is ours. */
function describe(details: Details): string {
  const lines: string[] = [];
  if (details.location !== undefined) lines.push(details.location);
  lines.push(details.error ?? 'failed');
  const stack = (details.stack ?? '').split('\n').filter((line) => line !== '' && !/node:|node_modules/.test(line));
  lines.push(...stack.slice(0, STACK_LINES).map((line) => `    at ${line}`));
  return lines
    .join('\n')
    .replaceAll('file://', '')
    .replaceAll(`${process.cwd()}/`, '')
    .replaceAll(/^(?=.)/gm, '    ');
}
