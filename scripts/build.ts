/**
 * Makes dist of src: `node scripts/build.ts`. The program and its packages go into a few files, with what nobody uses left out and
 * names made short: that is a third of the text, and of the time to load it. What has native parts or threads of its own stays a
 * package. Each file has its map beside it, which is read only when something fails (src/cli/readable-stack.ts).
 *
 * All of dist/cli lies in one folder, so what looks for a file beside itself finds it from any part of the bundle. Types are
 * not checked here but by `npm test`.
 */
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build, type Plugin } from 'esbuild';
import { buildPalette } from './build-palette.ts';
import { licences } from './licences.ts';

const ROOT = path.join(import.meta.dirname, '..');
/** Packages that stay packages. */
export const EXTERNAL = ['@marcbachmann/cel-js', 'better-sqlite3', 'dns-packet', 'koffi', 'pino', 'pino-pretty', 'serialport'];
/** The store and the drivers start these as threads: a bundle that holds them needs the files beside it. */
const THREADS = {
  writer: 'src/store/threads/writer.ts',
  keeper: 'src/store/threads/keeper.ts',
  salvager: 'src/store/threads/salvager.ts',
  broker: 'src/store/threads/broker.ts',
  'rs485-thread': 'src/drivers/transceiver/rs485-thread.ts',
};
const PROGRAM = {
  main: 'src/cli/main.ts',
  demo: 'src/cli/demo.ts',
  'follow-parent': 'src/cli/demo/follow-parent.ts',
  'make-certificate': 'src/access/tls/make-certificate.ts',
  'node-red-child': 'src/node-red/child/main.ts',
  'hook-runner': 'src/cli/hook-runner.ts',
};

/**
 * Bundles as the program is bundled.
 * @param entries source files, relative to the repository, by the names that they get
 * @param changed what to take in place of the text of a source file
 * @returns names of the packages (folders in node_modules) of which something is in the result
 */
export async function bundle(
  entries: Readonly<Record<string, string>>,
  folder: string,
  changed?: (file: string, text: string) => string,
): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { ...entries, ...THREADS },
    outdir: folder,
    chunkNames: '[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    minify: true,
    // Without a comment that names it: nobody else shall load it.
    sourcemap: 'external',
    sourcesContent: false,
    legalComments: 'none',
    external: EXTERNAL,
    // A copy of the streams of Node, in JavaScript. The package itself takes those of Node where it is told to.
    alias: { 'readable-stream': 'node:stream' },
    // Packages in the older form of modules ask for parts of Node by `require`.
    banner: { js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);" },
    metafile: true,
    logLevel: 'error',
    plugins: changed === undefined ? [] : [changing(changed)],
  });
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const packages = used.flatMap((file) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []);
  return [...new Set(packages)].sort();
}

function changing(changed: (file: string, text: string) => string): Plugin {
  return {
    name: 'changing',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path: file }) => ({
        contents: changed(file, readFileSync(file, 'utf8')),
        loader: 'ts',
      })),
  };
}

/** @param dist made anew */
export async function buildProgram(dist: string): Promise<void> {
  rmSync(path.join(dist, 'cli'), { recursive: true, force: true });
  const packages = await bundle(PROGRAM, path.join(dist, 'cli'));
  copyFileSync(path.join(ROOT, 'src', 'node-red', 'child', 'editor.css'), path.join(dist, 'cli', 'editor.css'));
  writeFileSync(path.join(dist, 'LICENSES.txt'), licences('dist/cli', packages));
}

if (import.meta.main) {
  await buildProgram(path.join(ROOT, 'dist'));
  await buildPalette(path.join(ROOT, 'dist', 'palette'));
}
