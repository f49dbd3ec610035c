/**
 * Coverage of the unit and contract suites, one line per room of src, from the summary that the test runner left in
 * .tap/report. A room below its floor fails the run; a floor is raised by hand when a room has become better.
 *
 * What the figures leave out: code that runs only in worker threads (the writer and the keeper) or in child processes that a
 * test kills, and everything that only the integration suites reach. A source that no suite loads counts with all its lines,
 * unless it holds types alone: of those nothing is left to run.
 */
import { globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import path from 'node:path';

/** Lines covered, percent. Two to three points below a run of CI, so that a moved line fails nothing and a dropped suite does. */
const FLOORS: Readonly<Record<string, number>> = {
  access: 95,
  admin: 73,
  boards: 92,
  care: 80,
  cli: 56,
  codecs: 95,
  config: 96,
  configure: 90,
  control: 93,
  core: 96,
  disk: 94,
  drivers: 94,
  forwarders: 81,
  gateway: 86,
  'node-red': 56,
  pipeline: 90,
  provisioning: 72,
  reports: 85,
  rules: 97,
  'service-manager': 90,
  store: 86,
  time: 96,
  update: 91,
};

interface Part {
  total: number;
  covered: number;
}
const ROOT = path.join(import.meta.dirname, '..');
const summary = JSON.parse(readFileSync(path.join(ROOT, '.tap/report/coverage-summary.json'), 'utf8')) as Record<
  string,
  { lines: Part; branches: Part }
>;
const rooms = new Map<string, { lines: Part; branches: Part }>();
for (const file of globSync('src/**/*.ts', { cwd: ROOT }).sort()) {
  const room = file.split(path.sep)[1] as string;
  const sum = rooms.get(room) ?? { lines: { total: 0, covered: 0 }, branches: { total: 0, covered: 0 } };
  rooms.set(room, sum);
  const part = summary[path.join(ROOT, file)];
  if (part === undefined) {
    const text = readFileSync(path.join(ROOT, file), 'utf8');
    if (runs(text)) sum.lines.total += text.split('\n').length;
    continue;
  }
  for (const kind of ['lines', 'branches'] as const) {
    sum[kind].total += part[kind].total;
    sum[kind].covered += part[kind].covered;
  }
}
/** Whether anything but comments is left when the types are gone. */
function runs(source: string): boolean {
  return (
    stripTypeScriptTypes(source)
      .replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, '')
      .trim() !== ''
  );
}

const percent = (part: Part) => (part.total === 0 ? 100 : (part.covered / part.total) * 100);

console.log('Coverage of the unit and contract suites (threads and killed children do not count):');
console.log('  room          lines   floor  branches');
const low: string[] = [];
for (const [room, sum] of rooms) {
  const floor = FLOORS[room] ?? 0;
  const lines = percent(sum.lines);
  console.log(
    `  ${room.padEnd(12)} ${lines.toFixed(1).padStart(5)} %  ${String(floor).padStart(3)} %  ${percent(sum.branches).toFixed(1).padStart(6)} %`,
  );
  if (FLOORS[room] === undefined) low.push(`${room} has no floor: give it one in scripts/coverage.ts`);
  else if (lines < floor)
    low.push(`${room} is covered to ${lines.toFixed(1)} %, its floor is ${floor} %: test what is new in it`);
}
for (const words of low) console.log(`✖ ${words}`);
process.exitCode = low.length > 0 ? 1 : 0;
