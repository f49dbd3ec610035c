/**
 * Packages for Debian: `npm run package`, from a built dist. Options: --out DIR, --arch arm64,amd64, --version V, --fast (packs quickly,
 * and larger). Two runs from one commit make the same bytes: times are those of the commit, files are sorted, and all belong to root.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { VERSION } from '../src/core/version.ts';
import { control, fill, type Ingredients, nodePackage, npmPackages, type Recipe, recipes } from './packaging/contents.ts';
import { byVersion, elfFiles } from './packaging/elf.ts';
import { type Cpu, Lock } from './packaging/lock.ts';
import { sbom } from './packaging/sbom.ts';
import { Stage } from './packaging/stage.ts';
import { unitScript } from './packaging/units.ts';

const ROOT = path.join(import.meta.dirname, '..');
const CPUS: Readonly<Record<string, Cpu>> = { amd64: 'x64', arm64: 'arm64' };
const MACHINES: Readonly<Record<Cpu, RegExp>> = { x64: /X86-64/, arm64: /AArch64/ };
/** Debian 12. A file that asks for a newer C library would not start there. */
export const GLIBC = '2.36';
/** Libraries of the packages that `Depends` names. */
const LIBRARIES = /^(?:lib(?:c|m|dl|pthread|rt|gcc_s|stdc\+\+)\.so\.\d+|ld-linux-.*)$/;
const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm'] as const;
/** The small form takes a minute for each processor. Debian's own tools do not take zstd yet. */
const PACKING = { small: ['-Zxz', '-z6', '--threads-max=1'], fast: ['-Zgzip', '-z1'] } as const;

export interface PackageOptions {
  readonly out: string;
  readonly architectures: readonly string[];
  readonly version: string;
  readonly fast: boolean;
  /** Only these packages. */
  readonly only?: readonly string[];
  readonly dist?: string;
}

/** @returns the files that were made */
export function makePackages({
  out,
  architectures,
  version,
  fast,
  only,
  dist = path.join(ROOT, 'dist'),
}: PackageOptions): string[] {
  const epoch = sourceDate();
  const units = globSync('*.{service,socket,path,timer}', { cwd: path.join(ROOT, 'systemd') }).sort();
  const lock = new Lock(ROOT);
  const flowsLock = new Lock(path.join(ROOT, 'node-red'));
  mkdirSync(out, { recursive: true });
  const made: string[] = [];
  for (const architecture of architectures) {
    const cpu = CPUS[architecture];
    if (cpu === undefined) throw new Error(`no packages are made for ${architecture}; name ${Object.keys(CPUS).join(' or ')}`);
    const from: Ingredients = { root: ROOT, dist, version, epoch, cpu, lock, flowsLock };
    const mine = recipes(units).filter(({ name }) => only?.includes(name) ?? true);
    for (const recipe of mine) made.push(makeOne(recipe, from, architecture, out, fast));
    const file = path.join(out, `sluice_${version}_${architecture}.cdx.json`);
    writeFileSync(file, partsList(mine, from));
    made.push(file);
  }
  const sums = made.map((file) => `${createHash('sha256').update(readFileSync(file)).digest('hex')}  ${path.basename(file)}\n`);
  writeFileSync(path.join(out, 'SHA256SUMS'), sums.join(''));
  return made;
}

/** The list of parts of these packages, as CycloneDX. */
export function partsList(mine: readonly Recipe[], from: Omit<Ingredients, 'dist'>): string {
  const parts = mine.flatMap((recipe) => npmPackages(recipe, from).map((one) => ({ ...one, of: recipe.name })));
  return sbom({ ...from, parts: [{ ...nodePackage(from), of: 'sluice' }, ...parts] });
}

function makeOne(recipe: Recipe, from: Ingredients, architecture: string, out: string, fast: boolean): string {
  const work = mkdtempSync(path.join(tmpdir(), 'sluice-package-'));
  try {
    const stage = new Stage(path.join(work, 'tree'));
    const { kept, left } = fill(stage, recipe, from);
    assertNative(stage.root, from.cpu);
    scripts(stage, recipe, from.version);
    const size = stage.installedSize();
    stage.text('DEBIAN/control', control(recipe, from.version, architecture, size));
    stage.text('DEBIAN/md5sums', stage.sums());
    stage.finish(from.epoch);
    const file = path.join(out, `${recipe.name}_${from.version}_${architecture}.deb`);
    execFileSync('dpkg-deb', [...PACKING[fast ? 'fast' : 'small'], '--root-owner-group', '--build', stage.root, file], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(from.epoch) },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
    console.log(
      `${path.basename(file)}: ${mb(statSync(file).size)}, installed ${mb(size * 1024)}; of its npm packages ${mb(kept)} go in, ${mb(left)} stay out`,
    );
    return file;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Every native file is for this processor, and starts on Debian 12. */
function assertNative(tree: string, cpu: Cpu): void {
  const files = elfFiles(tree);
  for (const { file, machine, glibc, libraries } of files) {
    if (!MACHINES[cpu].test(machine)) throw new Error(`${file} is for ${machine}, not for ${cpu}`);
    if (glibc !== undefined && byVersion(glibc, GLIBC) > 0)
      throw new Error(`${file} needs GLIBC ${glibc}; Debian 12 has ${GLIBC}`);
    const strange = libraries.filter((name) => !LIBRARIES.test(name));
    if (strange.length > 0) throw new Error(`${file} needs ${strange.join(', ')}, which no dependency of the package brings`);
  }
}

function scripts(stage: Stage, recipe: Recipe, version: string): void {
  for (const script of SCRIPTS) {
    const source = path.join(ROOT, 'packaging/deb', recipe.name, script);
    if (globSync(source).length === 0) continue;
    const text = readFileSync(source, 'utf8')
      .replaceAll('@VERSION@', version)
      .replace(/^#UNITS#$/m, unitScript(script, recipe.units));
    stage.text(`DEBIAN/${script}`, `${text.trimEnd()}\n`, 0o755);
  }
}

/** Seconds since 1970 of the last commit, or what the environment says. */
function sourceDate(): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  return Number(execFileSync('git', ['-C', ROOT, 'log', '-1', '--format=%ct'], { encoding: 'utf8' }).trim());
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: path.join(ROOT, 'out', 'packages') },
      arch: { type: 'string', default: 'arm64,amd64' },
      version: { type: 'string', default: VERSION },
      only: { type: 'string' },
      fast: { type: 'boolean', default: false },
    },
  });
  makePackages({
    ...{ out: values.out, version: values.version, fast: values.fast, architectures: values.arch.split(',') },
    ...(values.only === undefined ? {} : { only: values.only.split(',') }),
  });
  console.log(
    `They are in ${path.relative(process.cwd(), values.out) || '.'}, with SHA256SUMS and the list of parts (CycloneDX).`,
  );
}
