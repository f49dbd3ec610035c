/**
 * HTTP of one configuration: the status page with the API, and the front of Node-RED. A reload takes the new addresses and reads the
 * certificates first; what fails there leaves the old ones in use. At a start an address that cannot be had is tried for ever.
 */

import type { TlsSources } from '../access/tls/tls-sources.ts';
import type { AdminServer } from '../admin/admin-server.ts';
import type { FrontListen } from '../admin/front/front.ts';
import type { WebListen } from '../admin/web-listener.ts';
import { comparable } from '../config/compare.ts';
import type { GatewayConfig, Listen } from '../config/kinds.ts';
import { LOOPBACK } from '../config/sections.ts';
import { SluiceError, toError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';

export interface PreparedWeb {
  readonly changed: readonly string[];
  apply(): void;
  /** Instead of `apply`: everything stays as it was. */
  cancel(): Promise<void>;
}

export type WebTls = Pick<TlsSources, 'of' | 'ready' | 'keep' | 'changed'>;

/** The parts of a configuration that listen for HTTP. */
type WebConfig = Pick<GatewayConfig, 'dashboard' | 'nodeRed'>;

export class Web {
  readonly #o: { readonly logger: Logger; readonly tls: WebTls; readonly admin: () => WebServer | undefined };
  #now: WebConfig = {};

  constructor(options: { readonly logger: Logger; readonly tls: WebTls; readonly admin: () => WebServer | undefined }) {
    this.#o = options;
  }

  /** The first addresses of the status page. */
  beginDashboard({ dashboard }: WebConfig): void {
    const { admin, tls } = this.#o;
    const listen = dashboard?.listen ?? [];
    warnOfOpen(listen, this.#o.logger);
    admin()?.setListen(webListen(listen, tls));
    tls.keep('dashboard', listen);
    tls.changed();
    this.#now = { ...this.#now, dashboard };
  }

  /** The first addresses of the front. */
  beginFront({ nodeRed }: WebConfig): void {
    const { admin, tls } = this.#o;
    warnOfOpen(frontAll(nodeRed), this.#o.logger);
    admin()?.setFront(frontListen(nodeRed, tls));
    tls.keep('flows', frontAll(nodeRed));
    this.#now = { ...this.#now, nodeRed };
  }

  /**
   * Reads certificates and takes addresses; nothing old is disturbed.
   * @param alsoLeaving ports on which something else of the gateway listens that ends with this reload
   * @throws SluiceError listen-failed, tls-files; then nothing was changed
   */
  async prepare({ dashboard, nodeRed }: WebConfig, alsoLeaving: Iterable<number> = []): Promise<PreparedWeb> {
    const { admin, tls, logger } = this.#o;
    const before = this.#now;
    const page = comparable(before.dashboard ?? null) !== comparable(dashboard ?? null);
    const frontChanged = comparable(sitesOf({ nodeRed: before.nodeRed })) !== comparable(sitesOf({ nodeRed }));
    if (!page && !frontChanged) return { changed: [], apply: () => {}, cancel: async () => {} };
    const old = sitesOf(before);
    const next = sitesOf({ dashboard, nodeRed });
    const keep = ({ dashboard: d, nodeRed: n }: WebConfig): void => {
      tls.keep('dashboard', d?.listen ?? []);
      tls.keep('flows', frontAll(n));
    };
    const fresh = [...next].filter(([key]) => !old.has(key)).map(([, listen]) => listen);
    const leaving = [...old].filter(([key]) => !next.has(key)).map(([, { port }]) => port);
    try {
      await tls.ready(fresh);
      const listen = { dashboard: webListen(dashboard?.listen ?? [], tls), ...frontListen(nodeRed, tls) };
      const sites = await admin()?.prepare(listen, new Set([...leaving, ...alsoLeaving]));
      return {
        changed: page ? ['dashboard'] : [],
        apply: () => {
          warnOfOpen(page ? (dashboard?.listen ?? []) : [], logger);
          warnOfOpen(frontChanged ? frontAll(nodeRed) : [], logger);
          this.#now = { dashboard, nodeRed };
          sites?.apply();
          keep(this.#now);
          // Its names may be other ones.
          tls.changed();
        },
        cancel: async () => {
          await sites?.cancel();
          keep(before);
        },
      };
    } catch (thrown) {
      keep(before);
      const { code, message } = thrown instanceof SluiceError ? thrown : new SluiceError('internal', toError(thrown).message);
      throw new SluiceError(code, `${message}; nothing was changed`, { cause: thrown });
    }
  }
}

export type WebServer = Pick<AdminServer, 'setListen' | 'setFront' | 'prepare'>;

/** Every address, by what makes it the same one after a reload. */
function sitesOf({ dashboard, nodeRed }: WebConfig): Map<string, Listen> {
  const { editor, 'http-in': http } = frontListens(nodeRed);
  const sites = [
    ['dashboard', dashboard?.listen ?? [], undefined],
    ['editor', editor, undefined],
    ['http-in', http, nodeRed?.http?.logIn],
  ] as const;
  return new Map(sites.flatMap(([site, all, more]) => all.map((one) => [`${site} ${keyOf(one, more)}`, one] as const)));
}

/** Starts what their certificates need. @param more what else makes a listener another one */
export function webListen(listens: readonly Listen[], tls: Pick<TlsSources, 'of'>, more?: string): WebListen[] {
  return listens.map((listen) => {
    const { host, port, tls: asked } = listen;
    const door = asked !== undefined ? 'https' : LOOPBACK.test(host) ? 'http' : 'open';
    return { host, port, door, key: keyOf(listen, more), ...(asked && { tls: tls.of(asked) }) };
  });
}

function keyOf({ host, port, tls }: Listen, more: string | undefined): string {
  return JSON.stringify([host, port, tls ?? null, more]);
}

/** The doors to Node-RED. Where HTTP-in begins to ask who calls, connections that did not say it end. */
function frontListen(nodeRed: GatewayConfig['nodeRed'], tls: Pick<TlsSources, 'of'>): FrontListen {
  const { editor, 'http-in': http } = frontListens(nodeRed);
  return { editor: webListen(editor, tls), 'http-in': webListen(http, tls, nodeRed?.http?.logIn) };
}

function frontAll(nodeRed: GatewayConfig['nodeRed']): Listen[] {
  return Object.values(frontListens(nodeRed)).flat();
}

/** Without Node-RED there is no front. */
function frontListens(nodeRed: GatewayConfig['nodeRed']): Readonly<Record<'editor' | 'http-in', readonly Listen[]>> {
  if (nodeRed?.enabled !== true) return { editor: [], 'http-in': [] };
  return { editor: nodeRed.editor?.listen ?? [], 'http-in': nodeRed.http?.listen ?? [] };
}

/** What the configuration opens to everybody on a network is reported at each start. */
export function warnOfOpen(listen: readonly Listen[], logger: Logger): void {
  for (const { host, port, insecure } of listen)
    if (insecure === true)
      logger.warn(
        { host, port },
        'HTTP listens without TLS where other machines reach it, as the configuration says (insecure): everybody on that network can read passwords, sessions and readings.',
      );
}
