/** Which files of a package a running program needs. Sources, types, documentation, tests and other platforms stay out. */
import type { Cpu } from './lock.ts';

const LICENCES = /(?:^|\/)(?:licen[cs]e|copying|notice|ofl)[^/]*$/i;
const SOURCES = /\.(?:d\.[cm]?ts|tsx?|[cm]ts|map|flow|md|markdown|tsbuildinfo|gypi?|cc?|cpp|h|hpp|coffee)$/i;
const TEXTS = /(?:^|\/)(?:readme|changelog|changes|history|contributing|security|authors|upgrading)(?:\.(?:txt|rst))?$/i;
const HIDDEN = /(?:^|\/)\./;
/** Folders at the top of a package. Deeper ones of that name may be part of the program. */
const FOLDERS = /^(?:tests?|__tests__|docs?|benchmarks?|bench|coverage|examples?|man|typings?|@types)\//i;
/** Whole packages whose files a browser or a person is shown. */
const WHOLE = ['@node-red/editor-client', '@node-red/nodes', 'node-red'];
/** Parts of native packages that only a compiler reads. */
const NATIVE: Readonly<Record<string, RegExp>> = {
  'better-sqlite3': /^(?:deps|src)\//,
  '@serialport/bindings-cpp': /^src\//,
  // Parts of npm's compiler front end in Python.
  'node-gyp': /^(?:gyp|test)\//,
  // The page of its documentation.
  pino: /^(?:index\.html|build|favicon)/,
  koffi: /^(?:lib\/|vendor\/|cnoke\.cjs|src\/koffi\/(?:CMakeLists|src\/.*(?<!\.js)$))/,
};

/**
 * @param file relative to the package, with slashes
 * @returns whether it goes into the package for Debian
 */
export function needed(name: string, file: string, cpu: Cpu): boolean {
  if (LICENCES.test(file)) return true;
  // Prebuilt files of many platforms lie side by side: linux-arm64, linux_arm64, linux-arm64-gnu.
  if (file.endsWith('.node')) return new RegExp(`linux[-_]${cpu}(?![a-z0-9])`).test(file) && !file.includes('musl');
  if (NATIVE[name]?.test(file) || HIDDEN.test(file)) return false;
  if (WHOLE.includes(name)) return !/\.(?:js|css)\.map$/.test(file);
  return !FOLDERS.test(file) && !SOURCES.test(file) && !TEXTS.test(file);
}
