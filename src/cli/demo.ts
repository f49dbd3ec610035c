/** What `npm start` runs: the demonstration site with a live view. Not a command of `sluice`, since it lives in the source tree. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { checkNode } from './require-node.ts';

checkNode();

const ROOT = path.join(import.meta.dirname, '..', '..');
const MAIN = path.join(import.meta.dirname, `main${path.extname(import.meta.filename)}`);
/** npm changes to the folder of the repository, and says where the user was. */
const STANDING = process.env.INIT_CWD ?? process.cwd();
const USAGE = `npm start: the demonstration site

  npm start                       until q or Ctrl-C
  npm start -- --seconds 60       for a minute
  npm start -- --plain            lines instead of a page, as it also does in a pipe
  npm start -- --folder DIR       where it keeps its files (default: .sluice-demo)
`;
const REFRESH_MS = 250;
const SUMMARY_MS = 5000;
/** How often the start is tried. */
const STARTS = 3;

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
    else if (args[i] === '--folder' && next !== undefined) parsed.folder = path.resolve(STANDING, args[++i] as string);
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
  const { page, summary, timeOfDay } = await import('./demo/view.ts');
  const { farewell, hintsOf } = await import('./demo/farewell.ts');
  const { canDraw, lookOf, Screen } = await import('./terminal/screen.ts');
  const { validConfig } = await import('./config-file.ts');
  const example = path.join(ROOT, 'examples', 'demo', 'gateway.yaml');
  const out = process.stdout;
  const draws = canDraw(out, process.env) && !args.plain;
  const place = { root: ROOT, standing: STANDING };
  const ended = Promise.withResolvers<void>();
  const end = () => ended.resolve();
  // Standard output may be gone, and a terminal with it; the parts are still ended in order.
  let gone = false;
  const isGone = () => {
    gone = true;
    end();
  };
  const say = (text: string) => {
    if (!gone) out.write(text);
  };
  out.on('error', isGone);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
  if (args.seconds !== undefined) setTimeout(end, args.seconds * 1000).unref();

  const make = async () => {
    const site = await prepare(args.folder, example, hasSocat());
    const { config } = validConfig(site.config, { readSecrets: false });
    const demo = new Demo(site, config, MAIN, (text) => {
      if (!draws) say(`${timeOfDay(Date.now())}  ${text}\n`);
    });
    return { site, demo, hints: hintsOf(site, place) };
  };
  let running = await make();
  const start = async () => {
    for (let left = STARTS; ; left--) {
      try {
        await running.demo.start();
        return;
      } catch (error) {
        await running.demo.stop();
        if (left === 1) throw error;
        // Another demonstration may have taken a port that was free.
        running = await make();
      }
    }
  };
  const screen = new Screen({
    ...{ out, input: process.stdin, look: lookOf(process.env), onGone: isGone },
    draw: (size) => page(running.demo.scene(running.hints, process.stdin.isTTY === true), size, lookOf(process.env)),
    onKey: (key) => {
      if (key === 'q' || key === 'Q' || key === 'ctrl-c' || key === 'ctrl-d') end();
      else running.demo.press(key.toLowerCase());
      screen.refresh();
    },
  });
  const show = () => {
    if (draws) screen.refresh();
    else say(`${timeOfDay(Date.now())}  ${summary(running.demo.scene(running.hints, false))}\n`);
  };
  if (draws) screen.start();
  else say(`Sluice demonstration site; Ctrl-C ends it.\n${running.hints.join('\n')}\n`);
  let timer: NodeJS.Timeout | undefined;
  try {
    if (draws) show();
    const started = start();
    // Ended meanwhile, it fails for that reason.
    started.catch(() => {});
    await Promise.race([started, ended.promise]);
    timer = setInterval(show, draws ? REFRESH_MS : SUMMARY_MS);
    await Promise.race([ended.promise, running.demo.failed]);
  } finally {
    clearInterval(timer);
    if (draws) screen.stop();
    say('Stopping the gateway …\n');
    await running.demo.stop();
  }
  const { tally, platform } = running.demo.scene(running.hints, false);
  say(farewell(tally, platform.lateReadings, running.site, place));
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
