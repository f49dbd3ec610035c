import { Command, Option } from 'commander';
import { TABLES } from '../codecs/modbus-point.ts';
import { VERSION } from '../core/version.ts';
import { accountCommands } from './account-commands.ts';
import { alarmCommands } from './alarm-commands.ts';
import { boardCommands } from './board/commands.ts';
import { bundleCommands } from './bundle-commands.ts';
import type { CaptureOptions } from './capture.ts';
import { careCommands } from './care-commands.ts';
import { action, CONFIG, config, daemon, json, LOCAL_TIMES, socket, wholeNumber } from './command-parts.ts';
import { configureCommands } from './configure-commands.ts';
import { printHelp } from './exit.ts';
import type { ExportOptions } from './export.ts';
import { flowCommands } from './flow-commands.ts';
import { packCommands } from './pack/commands.ts';
import { provisioningCommands } from './provisioning-commands.ts';
import type { ReadOptions } from './read.ts';
import { rulesCommands } from './rules-commands.ts';
import type { RunningOptions } from './running.ts';
import { defaultConfig } from './running.ts';
import type { ScanOptions } from './scan.ts';
import { updateCommands } from './update-commands.ts';

/** A page is for people, and has its own parts. */
const NOT_WATCHED = ['json', 'removed', 'verbose'];

/** A bundle has whole records, in a form of its own. */
const NOT_BUNDLED = ['format', 'every', 'points'];

export function program(): Command {
  const sluice = new Command('sluice')
    .description('Edge gateway: reads Modbus and serial sensors, keeps every reading, runs rules on site, forwards over MQTT.')
    .version(VERSION)
    .showHelpAfterError('(sluice --help shows what there is)')
    .exitOverride()
    .configureOutput({ writeOut: printHelp })
    .addHelpText('after', '\nExamples:\n  $ sluice init site && cd site\n  $ sluice check\n  $ sluice run\n  $ sluice status');

  sluice
    .command('run')
    .description('runs the daemon in the foreground')
    .addOption(config())
    .addOption(
      new Option('--log-level <level>', 'the lowest level that is logged')
        .choices(['debug', 'info', 'warn', 'error'])
        .default('info'),
    )
    .addHelpText(
      'after',
      '\nSIGTERM and Ctrl-C stop it within 5 s. SIGHUP reads the configuration again:\na terminal that is closed does not stop it.\nExamples:\n  $ sluice run\n  $ sluice run -c site/gateway.yaml',
    )
    .action(daemon(async (options: { config: string; logLevel: string }) => (await import('./run.ts')).run(options)));
  sluice
    .command('check')
    .argument('[file]', `the configuration file (default: ${CONFIG})`)
    .description('checks a configuration and shows each fault with its place and what to write instead')
    .addOption(json())
    .addHelpText('after', '\nExit status: 0 valid, 78 refused.\nExample:\n  $ sluice check site/gateway.yaml')
    .action(
      action(async (file: string | undefined, options: { json?: boolean }) =>
        (await import('./check.ts')).check(file ?? defaultConfig(), options),
      ),
    );
  sluice
    .command('privacy')
    .description('shows what is measured, how private it is, how long it is kept and where it goes')
    .addOption(config())
    .addOption(json())
    .addHelpText('after', '\nIt reads the configuration; no gateway need run.\nExample:\n  $ sluice privacy -c site/gateway.yaml')
    .action(action(async (options: { config: string; json?: boolean }) => (await import('./privacy.ts')).privacy(options)));
  sluice
    .command('init')
    .argument('[dir]', 'where to write gateway.yaml', '.')
    .description('writes a commented starter configuration')
    .addHelpText('after', '\nExample:\n  $ sluice init site')
    .action(action(async (dir: string) => (await import('./init.ts')).init(dir)));
  sluice
    .command('simulate')
    .argument('<file>', 'the configuration whose devices are simulated')
    .description('serves the devices of a configuration as Modbus servers and serial talkers')
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .action(
      action(async (_file: string, _options: unknown, command: Command) =>
        (await import('./simulate.ts')).simulate(command.args),
      ),
    );
  sluice
    .command('status')
    .description('shows what is wrong with a running gateway, and its buses, forwarders and log')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .option('-v, --verbose', 'shows every figure too: latencies, memory, counters, plans')
    .option('--removed', 'instead: what the log removed of each point for room or age since it was made')
    .addOption(new Option('-w, --watch', 'a page that renews itself, with the last minutes of each point').conflicts(NOT_WATCHED))
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice status -c site/gateway.yaml\n  $ sluice status --watch\n  $ sluice status --socket /var/lib/sluice/sluice.sock --json\n  $ sluice status --removed',
    )
    .action(
      action(async (options: RunningOptions & { removed?: boolean; verbose?: boolean; watch?: boolean }) => {
        if (options.watch) await (await import('./watch.ts')).watch(options);
        else if (options.removed) await (await import('./removed.ts')).removed(options);
        else await (await import('./status.ts')).status(options);
      }),
    );
  sluice
    .command('tail')
    .description('shows live readings and alarms of a running gateway')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText(
      'after',
      '\nCtrl-C ends it.\nExamples:\n  $ sluice tail -c site/gateway.yaml\n  $ sluice tail --json | grep fridge',
    )
    .action(
      action(async (options: { config: string; socket?: string; json?: boolean }) => (await import('./tail.ts')).tail(options)),
    );
  sluice
    .command('reload')
    .description('makes a running gateway read its configuration again; a file with faults changes nothing')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText('after', '\nExample:\n  $ sluice check && sluice reload')
    .action(action(async (options: RunningOptions) => (await import('./reload.ts')).reload(options)));
  alarmCommands(sluice);
  sluice
    .command('read')
    .argument('<device>', 'device or device.point')
    .description('reads a device now: between the polls of the running gateway, or from the wire while none runs')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .option('--raw', 'show the frames in hexadecimal, how long the answer took, and exceptions in words')
    .option('--orders', 'show each point, or registers, in every type and byte order; plausible values are marked')
    .addOption(new Option('--table <table>', 'with --address: registers or bits that are no point').choices(TABLES))
    .option('--address <n>', 'first register or bit, counted from 0', wholeNumber(0, 65_535))
    .option('--count <n>', 'how many; default 1, with --orders 4', wholeNumber(1, 2000))
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice read fridge.temperature\n  $ sluice read fridge --raw\n  $ sluice read meter --orders\n  $ sluice read meter.voltage --orders\n  $ sluice read fridge --table input --address 1 --count 4 --orders',
    )
    .action(action(async (device: string, options: ReadOptions) => (await import('./read.ts')).read(device, options)));
  const profile = sluice
    .command('profile')
    .description('shows the device library: models that a configuration can name')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice profile list\n  $ sluice profile show sdm120\n  $ sluice profile check profiles/my-meter.yaml',
    );
  profile
    .command('list')
    .description('lists every profile, also those beside the configuration')
    .addOption(config())
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  $ sluice profile list\n  $ sluice profile list --json')
    .action(
      action(async (options: { config: string; json?: boolean }) => (await import('./profile/list.ts')).profileList(options)),
    );
  profile
    .command('show')
    .argument('<name>', 'the name of a profile, or its file')
    .description('shows a profile: points, line settings, notes, sources')
    .addOption(config())
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  $ sluice profile show sdm120\n  $ sluice profile show profiles/my-meter.yaml')
    .action(
      action(async (name: string, options: { config: string; json?: boolean }) =>
        (await import('./profile/show.ts')).profileShow(name, options),
      ),
    );
  profile
    .command('check')
    .argument('<file>', 'the file of a profile')
    .description('checks a profile: its schema, the rules of the library and its example')
    .option('--case <file>', 'the case (default: NAME.case.yaml beside the profile)')
    .addOption(json())
    .addHelpText(
      'after',
      '\nExit status: 0 all is well, 1 it has faults, 78 a gateway refuses it.\nExample:\n  $ sluice profile check profiles/my-meter.yaml',
    )
    .action(
      action(async (file: string, options: { case?: string; json?: boolean }) =>
        (await import('./profile/check.ts')).profileCheck(file, options),
      ),
    );
  sluice
    .command('write')
    .argument('<point>', 'device.point')
    .argument('<value>', 'a number, true or false, a label, a text, a time')
    .description('writes a point that may be written, and reads it back')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .addHelpText(
      'after',
      '\nA point may be written if it has `write:` in the configuration. The running\ngateway writes it; where none runs, this command opens the bus for one write.\nExit status: 0 written and read back, 1 refused or failed, 2 not understood,\n78 configuration refused.\nExamples:\n  $ sluice write fridge.setpoint 4.5\n  $ sluice write pump.running on\n  $ sluice write fridge.offset -0.5 --json\n  $ sluice write meter.clock 2026-01-31T08:00:00Z',
    )
    .action(
      action(async (point: string, value: string, options: { config: string; socket?: string; json?: boolean }) =>
        (await import('./write.ts')).write(point, value, options),
      ),
    );
  sluice
    .command('scan')
    .argument('<bus>', 'a bus of the configuration, a serial port, or HOST:PORT')
    .description('finds devices on a Modbus bus and suggests profiles; never writes')
    .addOption(config())
    .addOption(socket())
    .addOption(json())
    .option('--full', 'all addresses from 1 to 247, known ones first (default: known ones only)')
    .option('--units <list>', 'these addresses: 1-32 or 1,5,100')
    .option('--rates <list>', 'baud rates to try in turn, or all; stops at the first with answers')
    .option('--parity <list>', 'parities to try: none, even, odd, or all')
    .option('--all', 'do not stop at the first line settings with answers')
    .option('--timeout <duration>', 'wait for an answer (default 100ms on serial lines, 250ms on networks)')
    .addHelpText(
      'after',
      '\nWhile a gateway runs the scan goes through it, between its polls, with the line\nsettings of the bus.\nExamples:\n  $ sluice scan field\n  $ sluice scan field --full\n  $ sluice scan /dev/ttyUSB0 --rates 9600,19200 --parity none,even\n  $ sluice scan 192.168.1.20:502 --units 1-10 --json',
    )
    .action(action(async (bus: string, options: ScanOptions) => (await import('./scan.ts')).scan(bus, options)));
  sluice
    .command('capture')
    .argument('<bus>', 'a Modbus bus of the running gateway')
    .description('records the frames of a bus for a protocol analyser and for replay; Ctrl-C ends it')
    .addOption(config())
    .addOption(socket())
    .option('-o, --output <file>', 'a pcapng file for Wireshark and tshark')
    .option('--replay <file>', 'a file that sluice simulate --replay plays back')
    .option('--for <duration>', 'ends after this time: 1m')
    .addHelpText(
      'after',
      '\nWithout a file the frames are shown as they pass.\nExamples:\n  $ sluice capture field\n  $ sluice capture field -o field.pcapng --for 1m && tshark -r field.pcapng\n  $ sluice capture field --replay fault.jsonl',
    )
    .action(action(async (bus: string, options: CaptureOptions) => (await import('./capture.ts')).capture(bus, options)));
  sluice
    .command('export')
    .description('readings of a time range, as CSV, JSON lines or a chart, to standard output')
    .addOption(config())
    .addOption(socket())
    .option('--from <time>', 'a date, a time (ISO 8601), or a duration before now (24h)')
    .option('--to <time>', 'the same, for the end')
    .addOption(
      new Option('--format <format>', 'one line a value, one record a line as JSON, or a chart as a picture')
        .choices(['csv', 'jsonl', 'svg'])
        .default('csv'),
    )
    .option('--every <duration>', 'min, mean, max and count of each point in buckets of this width (1m) instead of readings')
    .option('--points <list>', 'devices and device.points, separated by commas (default: all)')
    .option('-q, --quiet', 'no progress bar on a terminal')
    .addOption(
      new Option('--bundle <folder>', 'instead: what a forwarder has not delivered, as one file for its platform').conflicts(
        NOT_BUNDLED,
      ),
    )
    .option('--forwarder <name>', 'with --bundle: the forwarder (default: the only one with a platform)')
    .option('--max <size>', 'with --bundle: the size of one file; more files follow (default: 2GB)')
    .option('--stick', 'with --bundle: the folder is on a stick, which has to belong to the platform')
    .addHelpText(
      'after',
      '\nIt reads the log of a running or a stopped gateway. A chart (svg) has a\npanel for each point, up to 12, with the limits and alarms of its rules. A\nbrowser opens it. A bundle (--bundle) is a file that only the platform can\nopen; with --from or --to it has the records of that time.\n' +
        `${LOCAL_TIMES}\nExamples:\n  $ sluice export --from 24h --format csv > day.csv\n  $ sluice export --from 30d --every 15m --points fridge.temperature > month.csv\n  $ sluice export --from 24h --format svg --points fridge.temperature > day.svg\n  $ sluice export --bundle /media/stick`,
    )
    .action(action(async (options: ExportOptions) => (await import('./export.ts')).exportLog(options)));
  accountCommands(sluice);
  flowCommands(sluice);
  rulesCommands(sluice);
  boardCommands(sluice);
  packCommands(sluice);
  bundleCommands(sluice);
  careCommands(sluice);
  provisioningCommands(sluice);
  updateCommands(sluice);
  configureCommands(sluice);
  // For bin/sluice-node-red.
  sluice
    .command('node-red-process', { hidden: true })
    .requiredOption('--memory <size>', 'memory of Node-RED')
    .option('--allow <list>', 'what flows may do: exec, files, palette, modules, separated by commas')
    .addHelpText('after', '\nExample:\n  $ sluice node-red-process --memory 160MB')
    .action(
      action(async (options: { memory: string; allow?: string }) =>
        (await import('./node-red-process.ts')).nodeRedProcess(options),
      ),
    );
  return sluice;
}
