/** Every admin route of Node-RED, read from its sources, with a path that matches it. A route for which none is known fails. */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { NODE_RED_FOLDER } from '../../src/node-red/place.ts';

export interface AdminRoute {
  readonly method: string;
  /** As Node-RED writes it. */
  readonly pattern: string;
  /** A path that matches it. */
  readonly path: string;
}

/** Files whose application is mounted below a path. */
const MOUNTED: Readonly<Record<string, string>> = {
  'projects.js': '/projects',
  'sshkeys.js': '/settings/user/keys',
  'theme.js': '/theme',
};
/** What stands for an expression. */
const SAMPLES: Readonly<Record<string, string>> = {
  '/^\\/nodes\\/messages/': '/nodes/messages',
  '/^\\/nodes\\/((@[^\\/]+\\/)?[^\\/]+\\/[^\\/]+)\\/messages/': '/nodes/node-red/inject/messages',
  '/^\\/nodes\\/((@[^\\/]+\\/)?[^\\/]+)$/': '/nodes/node-red',
  '/^\\/nodes\\/((@[^\\/]+\\/)?[^\\/]+)\\/([^\\/]+)$/': '/nodes/node-red/inject',
  '/^\\/plugins\\/((@[^\\/]+\\/)?[^\\/]+)$/': '/plugins/node-red',
  '/^\\/plugins\\/((@[^\\/]+\\/)?[^\\/]+)\\/([^\\/]+)$/': '/plugins/node-red/x',
  '/^\\/library\\/([^\\/]+)\\/([^\\/]+)(?:$|\\/(.*))/': '/library/local/flows',
  '/^\\/library\\/([^\\/]+)\\/([^\\/]+)\\/(.*)/': '/library/local/flows/mine',
  '/^\\/locales\\/(.+)\\/?$/': '/locales/editor',
  '/^\\/resources\\/((?:@[^\\/]+\\/)?[^\\/]+)\\/(.+)$/': '/resources/node-red/x.js',
};
const CALL =
  /\b(?:adminApp|editorApp|RED\.httpAdmin|app|themeApp)\.(get|post|put|delete|patch|all)\(\s*("[^"]*"|'[^']*'|\/\^(?:\\.|[^,\n])*?\/(?=,))/g;

export function adminRoutes(): AdminRoute[] {
  const root = path.join(NODE_RED_FOLDER, 'node_modules', '@node-red');
  const files = globSync(['editor-api/lib/**/*.js', 'nodes/core/**/*.js'], { cwd: root }).sort();
  const routes = files.flatMap((file) => {
    const text = readFileSync(path.join(root, file), 'utf8').replaceAll(/^\s*\/\/.*$/gm, '');
    return [...text.matchAll(CALL)].map(([, method = '', written = '']): AdminRoute => {
      const pattern = written.startsWith('/') ? written : written.slice(1, -1);
      const sample = written.startsWith('/') ? SAMPLES[pattern] : plain(pattern);
      if (sample === undefined) throw new Error(`${file} has a route without a sample: ${pattern}`);
      const below = MOUNTED[path.basename(file)] ?? '';
      return {
        method: method === 'all' ? 'POST' : method.toUpperCase(),
        pattern,
        path: `${below}${sample}`.replace(/(?<=.)\/$/, ''),
      };
    });
  });
  return routes;
}

function plain(pattern: string): string {
  return pattern
    .replace(/:scope\(([a-z]+)[^)]*\)/g, '$1')
    .replace(/:\w+(?:\([^)]*\))?/g, 'x1')
    .replace(/\/\?\*/g, '/x')
    .replaceAll('*', 'x');
}
