/**
 * The front's own pages: log-in, who is logged in, Node-RED does not run. They are plain HTML without a script, need nothing of
 * another host, and hold nothing of anybody but the name of who is logged in.
 */
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { FrontKind } from './headers.ts';
import { LANGUAGE_NAMES, LANGUAGES, type Language, type WordKey, words } from './words.ts';

export const LOG_IN = '/-/log-in';
export const LOG_OUT = '/-/log-out';
export const SESSION = '/-/session';
export const ENTER = '/-/enter';
export const FONT = '/-/bangla.woff2';

const STYLE = [
  `@font-face{font-family:Bangla;font-display:swap;src:local("Noto Sans Bengali"),url(${FONT}) format("woff2");unicode-range:U+0951-0952,U+0964-0965,U+0980-09FE,U+200C-200D,U+25CC}`,
  ':root{--ground:#f4f6f8;--card:#fff;--text:#16202a;--quiet:#4a5967;--edge:#75838f;--accent:#0b5e8a;--on:#fff;--bad:#a3161f;color-scheme:light dark}',
  '@media (prefers-color-scheme:dark){:root{--ground:#14191f;--card:#1e262e;--text:#e9eef3;--quiet:#b0bcc7;--edge:#8494a3;--accent:#85c9f2;--on:#10202b;--bad:#ffa39d}}',
  '*{box-sizing:border-box}',
  // The font of few letters stands first. Behind others, Chromium does not draw again what it drew before the font had come.
  'body{margin:0;background:var(--ground);color:var(--text);font:1rem/1.5 Bangla,system-ui,"Noto Sans",sans-serif}',
  'main{max-width:24rem;margin:8vh auto;padding:1.5rem;background:var(--card);border-radius:.5rem}',
  'h1{margin:0 0 .5rem;font-size:1.4rem}',
  'p{margin:.5rem 0 1rem;overflow-wrap:anywhere}',
  'label{display:block;margin:.75rem 0 .25rem;font-weight:600}',
  'input{width:100%;min-height:2.75rem;padding:.5rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--edge);border-radius:.25rem}',
  'button,.go{display:inline-block;min-height:2.75rem;margin-top:1.25rem;padding:.6rem 1.2rem;font:inherit;font-weight:600;border:0;border-radius:.25rem;background:var(--accent);color:var(--on);text-decoration:none;cursor:pointer}',
  ':focus-visible{outline:3px solid var(--accent);outline-offset:2px}',
  '.fault{padding:.6rem;border:2px solid var(--bad);border-radius:.25rem;color:var(--bad)}',
  'nav{max-width:24rem;margin:0 auto 2rem;padding:0 1.5rem}',
  'nav a{display:inline-block;padding:.6rem .8rem .6rem 0;color:var(--accent)}',
].join('\n');
const STYLE_SUM = createHash('sha256').update(STYLE).digest('base64');

const HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `default-src 'none'; img-src data:; font-src 'self'; style-src 'sha256-${STYLE_SUM}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  // With no-referrer a browser would call the origin of its own forms `null`.
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

export interface PageFacts {
  readonly kind: FrontKind;
  readonly language: Language;
  readonly gateway: string;
}

export function sendPage(
  res: ServerResponse,
  status: number,
  html: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  res.writeHead(status, { ...HEADERS, 'Content-Length': String(Buffer.byteLength(html)), ...headers });
  res.end(html);
}

/** @param to where the log-in leads, a path of this origin */
export function logInPage(
  facts: PageFacts,
  { to, name = '', fault }: { readonly to: string; readonly name?: string; readonly fault?: string | undefined },
): string {
  const { kind, language, gateway } = facts;
  const t = (key: WordKey, more = {}) => safe(words(language, key, more));
  // The first field that is empty gets the cursor.
  const [first, second] = name === '' ? [' autofocus', ''] : ['', ' autofocus'];
  const described = fault === undefined ? '' : ' aria-describedby="fault"';
  return page(
    facts,
    'login.title',
    `<p>${t(`login.${kind}`, { gateway })}</p>
${fault === undefined ? '' : `<p class="fault" id="fault" role="alert">${safe(fault)}</p>\n`}<form method="post" action="${LOG_IN}">
<input type="hidden" name="to" value="${safe(to)}"><input type="hidden" name="lang" value="${language}">
<label for="name">${t('login.name')}</label>
<input id="name" name="name" value="${safe(name)}" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="64" required${described}${first}>
<label for="password">${t('login.password')}</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" required${described}${second}>
<button>${t('login.submit')}</button>
</form>`,
    `${LOG_IN}?to=${encodeURIComponent(to)}&`,
  );
}

export function sessionPage(facts: PageFacts, who: string): string {
  const t = (key: WordKey, more = {}) => safe(words(facts.language, key, more));
  return page(
    facts,
    'session.title',
    `<p>${t('session.text', { name: who })}</p>
<a class="go" href="/">${t(`session.${facts.kind}`)}</a>
<form method="post" action="${LOG_OUT}"><button>${t('session.logOut')}</button></form>`,
    `${SESSION}?`,
  );
}

/** A page and no redirection: the cookie that comes with it goes to pages that were asked for from this origin. */
export function enterPage(facts: PageFacts): string {
  const t = (key: WordKey) => safe(words(facts.language, key));
  return page(
    facts,
    'session.title',
    `<p>${t('enter.text')}</p>\n<a class="go" href="/">${t('session.editor')}</a>`,
    undefined,
    '<meta http-equiv="refresh" content="0;url=/">',
  );
}

export function textPage(facts: PageFacts, title: WordKey, texts: readonly string[]): string {
  return page(facts, title, texts.map((text) => `<p>${safe(text)}</p>`).join('\n'), undefined);
}

/** @param here the page with another language, up to its `lang`; undefined: there is no choice */
function page({ kind, language, gateway }: PageFacts, title: WordKey, main: string, here: string | undefined, head = ''): string {
  const names = `${words(language, title)} – ${words(language, `title.${kind}`)} – ${gateway}`;
  const links = LANGUAGES.filter((one) => one !== language).map(
    (one) => `<a href="${safe(`${here}lang=${one}`)}" lang="${one}" hreflang="${one}">${LANGUAGE_NAMES[one]}</a>`,
  );
  const choice =
    here === undefined ? '' : `<nav aria-label="${safe(words(language, 'language.label'))}">${links.join(' ')}</nav>\n`;
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${safe(names)}</title>
<link rel="icon" href="data:,">
${head}<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${safe(words(language, title))}</h1>
${main}
</main>
${choice}</body>
</html>
`;
}

function safe(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
