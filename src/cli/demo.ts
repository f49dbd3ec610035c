/** What `npm start` runs: the demonstration site with a live view. Not a command of `sluice`, since it lives in the source tree. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { checkNode } from './require-node.ts';

checkNode();

const ROOT = path.join(import.meta.dirname, '..', '..');
const MAIN = path.join(import.meta.dirname, `main${path.extname(import.meta.filename)}`);
const USAGE = `npm start: the demonstration site

  npm start                       until Ctrl-C
  npm start -- --seconds 60       for a minute
  npm start -- --plain            lines instead of a table, as it also does in a pipe
  npm start -- --folder DIR       where it keeps its files (default: .sluice-demo)
`;
const REFRESH_MS = 500;
const SUMMARY_MS = 5000;

interface Arguments {
  seconds?: number;
  plain: boolean;
  folder: string;
}

/** undefined after a message about wrong usage. */
function parse(args: readonly string[]): Arguments | undefined {
  const parsed: Arguments = { plain: false, folder: path.join(ROOT, '.sluice-demo') };
  for (let i = 0; i < args.length; i++) {
    const next = args[i + 1];
    if (args[i] === '--plain') parsed.plain = true;
    else if (args[i] === '--seconds' && /^\d{1,6}$/.test(next ?? '')) parsed.seconds = Number(args[++i]);
    else if (args[i] === '--folder' && next !== undefined) parsed.folder = path.resolve(args[++i] as string);
    else {
      const help = args[i] === '--help' || args[i] === '-h';
      process[help ? 'stdout' : 'stderr'].write(help ? USAGE : `${args[i]} is not understood.\n\n${USAGE}`);
      process.exitCode = help ? 0 : 2;
      return undefined;
    }
  }
  return parsed;
}

function hasSocat(): boolean {
  return (process.env.PATH ?? '').split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, 'socat'), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function main(args: Arguments): Promise<void> {
  const { prepare } = await import('./demo/prepare.ts');
  const { Demo } = await import('./demo/site.ts');
  const { COLOURS, PLAIN, screen, summary, timeOfDay } = await import('./demo/view.ts');
  const site = await prepare(args.folder, path.join(ROOT, 'examples', 'demo', 'gateway.yaml'), hasSocat());
  const out = process.stdout;
  const table = out.isTTY === true && !args.plain;
  const paint = table && process.env.NO_COLOR === undefined ? COLOURS : PLAIN;
  const shown = path.relative(process.cwd(), site.folder) || '.';
  const hints = [
    `Look closer, in another terminal:   bin/sluice status -c ${shown}/gateway.yaml`,
    `                                    mosquitto_sub -p ${site.brokerPort} -t 'sluice/#' -v`,
    `                                    curl http://127.0.0.1:${site.httpPort}/metrics`,
    ...(site.hasSerial ? [] : ['The serial dust sensor is left out: it needs socat (apt-get install -y socat).']),
  ];
  const demo = new Demo(site, MAIN, (text) => {
    if (!table) out.write(`${timeOfDay(Date.now())}  ${text}\n`);
  });
  if (!table) out.write(`Sluice demonstration site; Ctrl-C ends it.\n${hints.join('\n')}\n`);
  const show = () => {
    if (table)
      out.write(
        `\u001b[H${screen(demo.scene(hints), paint, out.columns, out.rows).replaceAll('\n', '\u001b[K\n')}\u001b[K\u001b[J`,
      );
    else out.write(`${timeOfDay(Date.now())}  ${summary(demo.scene(hints))}\n`);
  };
  const ended = Promise.withResolvers<void>();
  process.once('SIGINT', () => ended.resolve());
  process.once('SIGTERM', () => ended.resolve());
  if (args.seconds !== undefined) setTimeout(() => ended.resolve(), args.seconds * 1000).unref();
  if (table) out.write('\u001b[?1049h\u001b[?25l');
  let timer: NodeJS.Timeout | undefined;
  try {
    await demo.start();
    timer = setInterval(show, table ? REFRESH_MS : SUMMARY_MS);
    await Promise.race([ended.promise, demo.failed]);
  } finally {
    clearInterval(timer);
    if (table) out.write('\u001b[?25h\u001b[?1049l');
    out.write('Stopping the gateway …\n');
    await demo.stop();
  }
  out.write(`${summary(demo.scene(hints))}\nEverything it wrote is in ${shown}.\n`);
}

const parsed = parse(process.argv.slice(2));
if (parsed !== undefined)
  try {
    await main(parsed);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
