/**
 * Pictures of a terminal as one SVG that moves by itself: style sheets only, no scripts, no fonts from elsewhere, so that it
 * works where a page shows it as an image. It has its own dark ground, and is readable in light and dark surroundings.
 */
import type { Cell, Size } from './pseudo-terminal.ts';

export interface Frame {
  readonly rows: readonly (readonly Cell[])[];
  /** How long it stays, milliseconds. */
  readonly shown: number;
}

const CELL = { width: 8.4, height: 18, size: 14 };
const EDGE = 12;
const HEAD = 28;
const GROUND = '#10161d';
const TEXT = '#d7dee6';
/** The 16 colours, chosen for the ground above. */
const PALETTE = [
  ...['#10161d', '#ff6b68', '#4fc46b', '#e8b93e', '#6aa8ff', '#c792ea', '#4cc7d6', '#d7dee6'],
  ...['#6b7683', '#ff8f8c', '#7fdb94', '#ffd56b', '#94c1ff', '#ddb3f5', '#84e0ea', '#ffffff'],
];
/** A white text on red needs a darker red than a red text on dark. */
const GROUNDS: Readonly<Record<number, string>> = { 1: '#c8322f', 2: '#3fae5a', 3: '#dcae34', 6: '#36b2c2' };
/** Block elements are drawn, not written: fonts disagree about them. Eighths of the height. */
const BLOCKS = ' ▁▂▃▄▅▆▇█';
/** This many full blocks are one bar; fewer are a course that is high. */
const LONG = 26;

const round = (n: number) => String(Number(n.toFixed(2)));

/** @param still which frame is shown where nothing moves */
export function animation(frames: readonly Frame[], size: Size, title: string, still: number): string {
  const [width, height] = [size.columns * CELL.width + 2 * EDGE, size.rows * CELL.height + HEAD + EDGE];
  const total = frames.reduce((sum, { shown }) => sum + shown, 0);
  // A row that stays the same is there once: most rows of most frames are.
  const ids = new Map<string, string>();
  const idOf = (content: string) => {
    const known = ids.get(content) ?? `r${ids.size.toString(36)}`;
    ids.set(content, known);
    return known;
  };
  let began = 0;
  const css: string[] = [];
  const groups = frames.map(({ rows, shown }, i) => {
    const uses = rows.flatMap((row, y) => {
      const content = rowContent(row);
      return content === '' ? [] : [`<use href="#${idOf(content)}" y="${y * CELL.height}"/>`];
    });
    const percent = (ms: number) => `${round((ms / total) * 100)}%`;
    const [from, to] = [percent(began), percent(began + shown)];
    began += shown;
    const before = i === 0 ? '' : `0%{visibility:hidden}`;
    const after = i === frames.length - 1 ? '' : `${to},100%{visibility:hidden}`;
    css.push(`@keyframes f${i}{${before}${from}{visibility:visible}${after}}`);
    css.push(`#f${i}{animation:f${i} ${round(total / 1000)}s step-end infinite${i === still ? '' : ';visibility:hidden'}}`);
    return `<g id="f${i}"${i === still ? '' : ' visibility="hidden"'}>${uses.join('')}</g>`;
  });
  const defs = Array.from(ids, ([content, id]) => `<g id="${id}">${content}</g>`);
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map((c, i) => `<circle cx="${EDGE + 6 + i * 18}" cy="14" r="5" fill="${c}"/>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}" role="img" aria-label="${escaped(title)}">`,
    `<title>${escaped(title)}</title>`,
    `<style>text{font:${CELL.size}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;white-space:pre;fill:${TEXT}}.b{font-weight:700}.d{opacity:.62}.s{stroke-width:${round(CELL.width - 1)};fill:none}`,
    css.join('\n'),
    // Nobody who asked for no movement gets any.
    '@media (prefers-reduced-motion:reduce){g{animation:none!important}}</style>',
    `<rect width="100%" height="100%" rx="8" fill="${GROUND}"/><rect x=".5" y=".5" width="${round(width - 1)}" height="${round(height - 1)}" rx="7.5" fill="none" stroke="#3a4552"/>`,
    dots.join(''),
    `<text x="${round(width / 2)}" y="19" text-anchor="middle" style="font-size:12px;fill:#8b97a5">${escaped(title)}</text>`,
    `<defs>${defs.join('\n')}</defs>`,
    `<g transform="translate(${EDGE} ${HEAD})">${groups.join('\n')}</g></svg>`,
    '',
  ].join('\n');
}

interface Run {
  x: number;
  cells: number;
  text: string;
  readonly look: string;
}

function rowContent(row: readonly Cell[]): string {
  const shapes: string[] = [];
  const texts: string[] = [];
  const grounds: { x: number; cells: number; colour: string }[] = [];
  let run: Run | undefined;
  const close = () => {
    if (run !== undefined && run.text.trim() !== '') texts.push(textOf(run));
    run = undefined;
  };
  const bars = new Map<string, { path: string; x: number; base: number }>();
  const full = fullRuns(row);
  row.forEach((cell, x) => {
    const ground = cell.inverse ? TEXT : cell.ground === undefined ? undefined : (GROUNDS[cell.ground] ?? PALETTE[cell.ground]);
    const last = grounds.at(-1);
    if (ground !== undefined) {
      if (last !== undefined && last.colour === ground && last.x + last.cells === x) last.cells++;
      else grounds.push({ x, cells: 1, colour: ground });
    }
    const colour = cell.inverse ? GROUND : cell.colour === undefined ? undefined : (PALETTE[cell.colour] ?? TEXT);
    const level = cell.text === ' ' ? 0 : BLOCKS.indexOf(cell.text);
    if (cell.text !== '' && level > 0) {
      close();
      if (full.has(x)) {
        const wide = full.get(x) ?? 0;
        if (wide > 0)
          shapes.push(
            `<rect x="${round(x * CELL.width)}" y="1" width="${round(wide * CELL.width)}" height="16" fill="${colour ?? TEXT}"/>`,
          );
        return;
      }
      // Each bar is a stroke upwards; the next one begins at the foot of the line again.
      const before = bars.get(colour ?? TEXT);
      const middle = (x + 0.5) * CELL.width;
      const move = before === undefined ? `M${round(middle)} ${CELL.height - 1}` : `m${round(middle - before.x)} ${before.base}`;
      bars.set(colour ?? TEXT, { path: `${before?.path ?? ''}${move}v-${2 * level}`, x: middle, base: 2 * level });
      return;
    }
    const look = `${colour === undefined ? '' : ` style="fill:${colour}"`}${cell.bold || cell.dim ? ` class="${cell.bold ? 'b' : 'd'}"` : ''}`;
    if (run !== undefined && run.look !== look) close();
    // A long gap ends a text: the next one stands where it has to whatever the font is.
    if (run?.text.endsWith('  ') && cell.text !== ' ') close();
    run ??= { x, cells: 0, text: '', look };
    run.text += cell.text;
    run.cells++;
  });
  close();
  for (const { x, cells, colour } of grounds)
    shapes.push(
      `<rect x="${round(x * CELL.width)}" width="${round(cells * CELL.width)}" height="${CELL.height}" fill="${colour}"/>`,
    );
  for (const [colour, { path }] of bars) shapes.push(`<path class="s" stroke="${colour}" d="${path}"/>`);
  return shapes.join('') + texts.join('');
}

/** Where a long row of full blocks of one colour begins, with its length; its other columns have 0. */
function fullRuns(row: readonly Cell[]): ReadonlyMap<number, number> {
  const runs = new Map<number, number>();
  for (let x = 0; x < row.length; ) {
    let end = x;
    while (row[end]?.text === '█' && row[end]?.colour === row[x]?.colour) end++;
    if (end - x >= LONG) for (let i = x; i < end; i++) runs.set(i, i === x ? end - x : 0);
    x = Math.max(end, x + 1);
  }
  return runs;
}

/** As wide as its cells, whatever the font's letters are. */
function textOf({ x, text, look }: Run): string {
  const lead = text.length - text.trimStart().length;
  const shown = text.trim();
  const at = round((x + lead) * CELL.width);
  return `<text x="${at}" y="13.5" textLength="${round([...shown].length * CELL.width)}"${look}>${escaped(shown)}</text>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
