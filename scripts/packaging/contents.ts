/** What is in each package, and where it lies on the board. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { program } from '../../src/cli/program.ts';
import { starterConfig } from '../../src/config/starter.ts';
import { LAYOUTS } from '../../src/store/layouts.ts';
import { EXTERNAL } from '../build.ts';
import { completions } from './completion.ts';
import { packageFiles } from './fetch.ts';
import type { Cpu, Lock, LockedPackage } from './lock.ts';
import { manPages } from './man.ts';
import type { Stage } from './stage.ts';
import type { PackageUnits } from './units.ts';

export interface Recipe {
  readonly name: 'sluice' | 'sluice-node-red';
  readonly about: string;
  readonly long: readonly string[];
  readonly depends: (version: string) => string;
  readonly extra: readonly string[];
  readonly units: PackageUnits;
}

/** Units of systemd/ that the second package has. */
const OF_NODE_RED = /^sluice-node-red/;
/** They start with the board. The socket for programs of rules is switched on by hand (docs/how-to/let-rules-act.md). */
const ENABLED = ['sluice-provision.service', 'sluice-status-file.timer', 'sluice.service'];

/** @param units names of the files in systemd/ */
export function recipes(units: readonly string[]): readonly Recipe[] {
  const own = units.filter((unit) => !OF_NODE_RED.test(unit));
  const flows = units.filter((unit) => OF_NODE_RED.test(unit));
  return [
    {
      name: 'sluice',
      about: 'edge gateway: Modbus and serial sensors in, MQTT out',
      long: [
        'Sluice reads Modbus and serial sensors on small boards, keeps every reading in',
        'a log of fixed size, runs threshold rules on site, and delivers the readings',
        'over MQTT once the network is there. It works offline forever.',
        '.',
        'Node and all native parts are inside. Nothing is compiled or downloaded.',
      ],
      depends: () => 'libc6 (>= 2.28), libstdc++6 (>= 8), libgcc-s1, systemd (>= 252), udev',
      extra: ['Suggests: sluice-node-red', 'Recommends: ca-certificates'],
      units: {
        files: own,
        enabled: ENABLED.filter((unit) => own.includes(unit)),
        restarted: ['sluice.service'],
      },
    },
    {
      name: 'sluice-node-red',
      about: 'Node-RED beside the Sluice edge gateway',
      long: [
        'This is the one version of Node-RED that the gateway is tested with. It runs',
        'under a user of its own, which can read nothing of the gateway. The gateway',
        'starts and ends it through systemd, when its configuration asks for flows.',
      ],
      depends: (version) => `sluice (= ${version}), libc6 (>= 2.28), libgcc-s1`,
      extra: [],
      units: {
        files: flows,
        enabled: flows.filter((unit) => /\.(?:socket|path)$/.test(unit)),
        restarted: [],
      },
    },
  ];
}

export interface Ingredients {
  readonly root: string;
  readonly dist: string;
  readonly version: string;
  readonly epoch: number;
  readonly cpu: Cpu;
  readonly lock: Lock;
  readonly flowsLock: Lock;
}

const LIB = 'usr/lib/sluice';
const UNITS = 'usr/lib/systemd/system';
const MAINTAINER = 'Sluice maintainers <maintainers@sluice.example.org>';

/** npm packages that go into it, for the list of parts as well. */
export function npmPackages(
  recipe: Recipe,
  { lock, flowsLock, cpu }: Pick<Ingredients, 'lock' | 'flowsLock' | 'cpu'>,
): LockedPackage[] {
  return recipe.name === 'sluice' ? lock.needs(EXTERNAL, cpu) : flowsLock.needs(['node-red'], cpu);
}

/** The package of npm with Node itself. */
export function nodePackage({ lock, cpu }: Pick<Ingredients, 'lock' | 'cpu'>): LockedPackage {
  return lock.at(`node_modules/node-linux-${cpu}`);
}

/** Fills the stage. @returns bytes of npm packages that go in, and that stay out */
export function fill(stage: Stage, recipe: Recipe, from: Ingredients): { kept: number; left: number } {
  const { root, lock, flowsLock, cpu } = from;
  for (const unit of recipe.units.files) stage.file(path.join(root, 'systemd', unit), `${UNITS}/${unit}`);
  stage.file(path.join(root, 'packaging/files', `${recipe.name}.sysusers`), `usr/lib/sysusers.d/${recipe.name}.conf`);
  papers(stage, recipe, from);
  if (recipe.name === 'sluice-node-red') {
    stage.link('usr/bin/sluice-node-red', '../lib/sluice/bin/sluice-node-red');
    stage.link(`${LIB}/node-red`, '../sluice-node-red');
    stage.file(path.join(root, 'node-red/package.json'), 'usr/lib/sluice-node-red/package.json');
    return stage.packages(flowsLock.root, npmPackages(recipe, from), 'usr/lib/sluice-node-red', cpu);
  }
  const node = nodePackage(from);
  stage.file(path.join(packageFiles(root, node), 'bin/node'), `${LIB}/bin/node`);
  for (const name of ['sluice', 'sluice-hook', 'sluice-node-red', 'find-node.sh'])
    stage.file(path.join(root, 'bin', name), `${LIB}/bin/${name}`);
  stage.link('usr/bin/sluice', '../lib/sluice/bin/sluice');
  stage.link('usr/bin/sluice-hook', '../lib/sluice/bin/sluice-hook');
  // Node takes the files of dist as modules because of this one.
  stage.text(
    `${LIB}/package.json`,
    `${JSON.stringify({ name: 'sluice', version: from.version, type: 'module', private: true }, null, 2)}\n`,
  );
  // The image of a card shows it in its update (packaging/image/build.sh).
  stage.text(`${LIB}/layouts.json`, `${JSON.stringify(LAYOUTS)}\n`);
  // The demonstration of npm start needs the folder examples, which is not on a board.
  stage.tree(from.dist, `${LIB}/dist`, (file) => !/^cli\/(?:demo|follow-parent)\.js/.test(file) && !file.startsWith('.'));
  for (const folder of ['hardware-profiles', 'rule-packs', 'flows']) stage.tree(path.join(root, folder), `${LIB}/${folder}`);
  stage.text('usr/share/sluice/gateway.yaml', starterConfig());
  stage.file(path.join(root, 'packaging/files/60-sluice.rules'), 'usr/lib/udev/rules.d/60-sluice.rules');
  stage.file(path.join(root, 'packaging/files/50-sluice-watchdog.conf'), 'usr/lib/systemd/system.conf.d/50-sluice-watchdog.conf');
  commandPapers(stage, from);
  return stage.packages(lock.root, npmPackages(recipe, from), LIB, cpu);
}

/** Shell completion and manual pages, from the command table of the program. */
function commandPapers(stage: Stage, { epoch, version }: Ingredients): void {
  const sluice = program();
  const { bash, zsh, fish } = completions(sluice);
  stage.text('usr/share/bash-completion/completions/sluice', bash);
  stage.text('usr/share/zsh/vendor-completions/_sluice', zsh);
  stage.text('usr/share/fish/vendor_completions.d/sluice.fish', fish);
  for (const [name, text] of manPages(sluice, { version, date: new Date(epoch * 1000) }))
    packed(stage, `usr/share/man/man1/${name}`, text);
}

/** Changelog and licences, where Debian looks for them, and the reasons of what lintian is told to leave out. */
function papers(stage: Stage, recipe: Recipe, from: Ingredients): void {
  const { root, version, epoch } = from;
  const docs = `usr/share/doc/${recipe.name}`;
  const date = execFileSync('date', ['-u', '-R', '-d', `@${epoch}`], { encoding: 'utf8', env: { LC_ALL: 'C' } }).trim();
  const changelog = `${recipe.name} (${version}) stable; urgency=medium\n\n  * CHANGELOG.md of the sources has what is new.\n\n -- ${MAINTAINER}  ${date}\n`;
  packed(stage, `${docs}/changelog`, changelog);
  if (recipe.name === 'sluice') packed(stage, `${docs}/CHANGELOG.md`, readFileSync(path.join(root, 'CHANGELOG.md'), 'utf8'));
  const parts = npmPackages(recipe, from);
  stage.text(
    `${docs}/copyright`,
    [
      'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
      'Upstream-Name: Sluice',
      '',
      'Files: *',
      'Copyright: The Sluice authors',
      'License: Apache-2.0',
      ' The full text is in /usr/share/common-licenses/Apache-2.0.',
      '',
      `Files: usr/lib/${recipe.name}/node_modules/*`,
      'Copyright: the authors that each package names',
      'License: of-each-package',
      ' Each folder has the words of its licence. The packages are:',
      ...parts.map(({ name, version: number, license }) => ` ${name} ${number}: ${license ?? 'see its folder'}`),
      '',
      ...(recipe.name === 'sluice'
        ? [
            'Files: usr/lib/sluice/bin/node',
            'Copyright: Node.js contributors, and the authors of what is in it',
            'License: MIT-and-others',
            ' The full text is in /usr/share/doc/sluice/node-LICENSE.gz.',
            ' The licences of packages inside of the program are in /usr/lib/sluice/dist.',
            '',
          ]
        : []),
    ].join('\n'),
  );
  if (recipe.name === 'sluice')
    packed(stage, `${docs}/node-LICENSE`, readFileSync(path.join(packageFiles(root, nodePackage(from)), 'LICENSE'), 'utf8'));
  stage.file(path.join(root, 'packaging/deb', recipe.name, 'lintian-overrides'), `usr/share/lintian/overrides/${recipe.name}`);
}

function packed(stage: Stage, target: string, text: string): void {
  stage.bytes(`${target}.gz`, gzipSync(text, { level: 9 }));
}

export function control(recipe: Recipe, version: string, architecture: string, installedSize: number): string {
  return `${[
    `Package: ${recipe.name}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${installedSize}`,
    `Depends: ${recipe.depends(version)}`,
    ...recipe.extra,
    'Section: net',
    'Priority: optional',
    `Description: ${recipe.about}`,
    ...recipe.long.map((line) => ` ${line}`),
  ].join('\n')}\n`;
}
