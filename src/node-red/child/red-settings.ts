/** The settings of Node-RED, made at each start from what the gateway allows. No file of them exists, so nobody can change one. */
import { NODE_ROOT } from '../../core/flow-supervisor.ts';
import type { Grant, StartOrder } from '../messages.ts';
import { EDITOR_STYLE, PALETTE_FOLDER } from '../place.ts';
import type { RedMessage } from './node-red-types.ts';

/** A node may take so long to close, ms; the gateway ends the process at 15 s. */
const CLOSE_WITHIN = 10_000;
/** As in editor.css; the code editor takes no variable of a style. */
const CODE_FONT = 'Bangla, Menlo, Consolas, "DejaVu Sans Mono", Courier, monospace';

export function redSettings(
  { folder, credentialSecret, title, allow, safeMode, gateway }: StartOrder,
  log: (message: RedMessage) => void,
): Record<string, unknown> {
  const may = (grant: Grant): boolean => allow.includes(grant);
  return {
    userDir: folder,
    // Our palette is no package that a person installed, so it stays whatever the person may install.
    nodesDir: [PALETTE_FOLDER],
    flowFile: 'flows.json',
    credentialSecret,
    flowFilePretty: false,
    fileWorkingDirectory: folder,
    // One context in memory. A person may choose the file store in a flow by its name.
    contextStorage: { default: { module: 'memory' }, file: { module: 'localfilesystem', config: { flushInterval: 60 } } },
    httpAdminRoot: '/',
    httpNodeRoot: NODE_ROOT,
    nodeCloseTimeout: CLOSE_WITHIN,
    // An HTTP-in node takes no more than this.
    apiMaxLength: '5mb',
    debugMaxLength: 1000,
    nodesExcludes: may('exec') ? [] : ['90-exec.js'],
    functionExternalModules: may('modules'),
    functionTimeout: 0,
    externalModules: {
      autoInstall: false,
      palette: { allowInstall: may('palette'), allowUpdate: may('palette'), allowUpload: false },
      modules: { allowInstall: may('modules'), allowList: may('modules') ? ['*'] : [], denyList: may('modules') ? [] : ['*'] },
    },
    telemetry: { enabled: false, updateNotification: false },
    diagnostics: { enabled: true, ui: true },
    runtimeState: { enabled: true, ui: true },
    editorTheme: {
      page: { title, css: [EDITOR_STYLE] },
      // The title leads to the page with the log-out.
      header: { title, url: '/-/session' },
      tours: false,
      projects: { enabled: false },
      multiplayer: { enabled: false },
      codeEditor: { lib: 'monaco', options: { fontFamily: CODE_FONT } },
    },
    // For the nodes of the palette: where the gateway answers.
    ...(gateway === undefined ? {} : { sluice: gateway }),
    ...(safeMode === undefined ? {} : { safeMode: true }),
    logging: {
      console: { level: 'off', metrics: false, audit: false },
      gateway: { level: 'info', metrics: false, audit: false, handler: () => log },
    },
  };
}
