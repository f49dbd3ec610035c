/** What the demonstration says when it has ended: what became of the readings, and what to do next. */
import path from 'node:path';
import type { DemoSite } from './prepare.ts';
import type { Tally } from './tally.ts';
import { count } from './view.ts';

export interface Place {
  /** The folder of the repository. */
  readonly root: string;
  /** Where the user types the next command. */
  readonly standing: string;
}

export function farewell(tally: Tally, lateReadings: number, site: DemoSite, place: Place): string {
  const { read, delivered, waiting, lost } = tally;
  const late =
    lateReadings > 0 ? [`${count(lateReadings)} of them came after an outage, with the times at which they were taken.`] : [];
  const wait = waiting > 0 ? ['The log keeps the waiting readings. They are delivered when the demonstration starts again.'] : [];
  const rows: readonly (readonly [command: string, does: string])[] = [
    [`${sluice(place)} export -c ${config(site, place)} --from 10m --every 1m`, 'shows what the gateway kept, minute by minute'],
    [`${sluice(place)} check ${config(site, place)}`, 'checks the configuration of this site'],
    [`${sluice(place)} init my-site`, 'writes a configuration for your own instruments'],
    [`${sluice(place)} profile list`, 'lists the instruments that it knows'],
  ];
  return [
    `The gateway read ${count(read)} readings. The platform has ${count(delivered)}, ${count(waiting)} wait, ${count(lost)} are lost.`,
    ...late,
    ...wait,
    '',
    'What next?',
    ...rows.flatMap(([command, does]) => [`  ${command}`, `      ${does}`]),
    '',
    `Its files are in ${shown(site.folder, place)}. Read ${shown(path.join(place.root, 'README.md'), place)} next.`,
    '',
  ].join('\n');
}

/** Commands for a second terminal, while it runs. */
export function hintsOf(site: DemoSite, place: Place): string[] {
  return [
    ` In a browser: http://127.0.0.1:${site.httpPort}/`,
    ' In another terminal:',
    `   ${sluice(place)} status --watch -c ${config(site, place)}`,
    `   mosquitto_sub -p ${site.brokerPort} -t 'sluice/#' -v`,
    `   curl http://127.0.0.1:${site.httpPort}/metrics`,
    ...(site.hasSerial ? [] : [' The serial dust sensor is left out: it needs socat (apt-get install -y socat).']),
  ];
}

function sluice(place: Place): string {
  const program = shown(path.join(place.root, 'bin', 'sluice'), place);
  return quoted(program.includes('/') ? program : `./${program}`);
}

function config(site: DemoSite, place: Place): string {
  return quoted(shown(site.config, place));
}

/** From where the user is, or in full where that is shorter. */
function shown(file: string, { standing }: Place): string {
  const relative = path.relative(standing, file) || '.';
  return relative.length <= file.length ? relative : file;
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
