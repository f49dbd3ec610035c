/**
 * Reporter of `npm test`: one line a file while it runs; then each failure with what a person needs, each skip with its
 * install line, and last `N passed, N failed`. Checks that ran before (type check, lint) come in by the environment.
 */
import path from 'node:path';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

interface FileCount {
  failed: number;
  stderr: string[];
}
/** Enough to see a crash; a test that logs megabytes does not fill the terminal. */
const STDERR_LINES = 40;

const ROOT = path.join(import.meta.dirname, '..');

function shortName(file: string): string {
  const name = path.relative(ROOT, path.resolve(ROOT, file));
  return name.startsWith('..') ? file : name;
}

export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files = new Map<string, FileCount>();
  const failures: string[] = [];
  const skips = new Map<string, number>();
  const stacks = new Map<string, string[]>();
  let total = { passed: 0, failed: 0, skipped: 0 };

  const fileOf = (event: { file?: string | undefined }): [string, FileCount] => {
    const name = event.file === undefined ? '?' : shortName(event.file);
    let count = files.get(name);
    if (count === undefined) {
      count = { failed: 0, stderr: [] };
      files.set(name, count);
    }
    return [name, count];
  };

  for await (const event of source) {
    switch (event.type) {
      case 'test:start': {
        const [file] = fileOf(event.data);
        const stack = stacks.get(file) ?? [];
        stack.length = event.data.nesting;
        stack.push(event.data.name);
        stacks.set(file, stack);
        break;
      }
      case 'test:pass': {
        const { skip, name } = event.data;
        if (skip === undefined || skip === false) break;
        const words = skip === true ? name : skip;
        skips.set(words, (skips.get(words) ?? 0) + 1);
        break;
      }
      case 'test:fail': {
        const [file, count] = fileOf(event.data);
        const error = event.data.details.error;
        // A parent fails because a child did: the child is the one to show.
        const ofChild = (error as { failureType?: string }).failureType === 'subtestsFailed';
        if (event.data.details.type !== 'suite') count.failed++;
        if (ofChild) break;
        if (event.data.name === event.data.file || shortName(event.data.name) === file) {
          // Without a test of its own the file has no summary line either.
          failures.push(`✖ ${file} did not run to its end: ${describe(error)}`);
          break;
        }
        const names = [...(stacks.get(file) ?? []).slice(0, event.data.nesting), event.data.name];
        const where = event.data.line === undefined ? file : `${file}:${event.data.line}`;
        failures.push(`✖ ${names.join(' › ')}\n  ${where}\n${indent(describe(error), 4)}`);
        break;
      }
      case 'test:stderr': {
        const [, count] = fileOf(event.data);
        count.stderr.push(...event.data.message.trimEnd().split('\n'));
        if (count.stderr.length > STDERR_LINES) count.stderr.splice(0, count.stderr.length - STDERR_LINES);
        break;
      }
      case 'test:summary': {
        const { counts, duration_ms, file } = event.data;
        if (file === undefined) {
          total = { passed: counts.passed, failed: failedOf(counts), skipped: counts.skipped + counts.todo };
          break;
        }
        const [name] = fileOf({ file });
        const parts = [`${counts.passed} passed`];
        if (failedOf(counts) > 0) parts.push(`${failedOf(counts)} failed`);
        if (counts.skipped > 0) parts.push(`${counts.skipped} skipped`);
        yield `${event.data.success ? '✔' : '✖'} ${name}: ${parts.join(', ')} (${(duration_ms / 1000).toFixed(1)} s)\n`;
        break;
      }
    }
  }

  for (const [name, count] of files) {
    if (count.failed > 0 && count.stderr.length > 0)
      failures.push(`the last that ${name} wrote to stderr:\n${indent(count.stderr.join('\n'), 4)}`);
  }
  if (failures.length > 0) yield `\n${failures.join('\n\n')}\n`;
  if (skips.size > 0) {
    yield '\nSkipped:\n';
    for (const [words, count] of skips) yield `  ${words}${count > 1 ? ` (${count} tests)` : ''}\n`;
  }
  const passed = total.passed + Number(process.env.CHECKS_PASSED ?? 0);
  const failed = total.failed + Number(process.env.CHECKS_FAILED ?? 0);
  yield `\n${passed} passed, ${failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`;
}

/** Node counts a test that was cut off (time-out, dead parent) as cancelled; for a person it failed. */
function failedOf(counts: { tests: number; passed: number; skipped: number; todo: number }): number {
  return counts.tests - counts.passed - counts.skipped - counts.todo;
}

/** The message (with its difference) and the part of the stack that is ours. */
function describe(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error;
  if (typeof error.cause === 'string') return error.cause;
  const text = cause.stack === undefined ? inspect(cause) : cause.stack;
  const lines = text.split('\n').filter((line) => !/^\s+at .*(node:|node_modules|<anonymous>\)$)/.test(line));
  const more =
    cause.cause === undefined
      ? ''
      : `\ncaused by: ${cause.cause instanceof Error ? describe(cause.cause) : inspect(cause.cause)}`;
  return lines.slice(0, 60).join('\n').replaceAll('file://', '') + more;
}

function indent(text: string, by: number): string {
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(by));
}
