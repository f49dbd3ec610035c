/** Sentences of a page, of the comments in a configuration, and of messages in the code, each with the line on which it begins. */
import ts from 'typescript';

export interface Sentence {
  readonly line: number;
  readonly text: string;
}

/** Stands for inline code, a link or a placeholder: one word that no rule of the vocabulary looks at. */
const CODE = 'CODE';

function split(block: string, line: number, end = /(?<=[.?!।]["”)*]*)\s+/): Sentence[] {
  return block
    .replace(/\s+/g, ' ')
    .split(end)
    .map((text) => ({ line, text: text.trim() }))
    .filter(({ text }) => /\p{L}/u.test(text));
}

/** What a reader sees of a line of Markdown. */
function plain(text: string): string {
  return text
    .replace(/`[^`]*`/g, CODE)
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/<[^>]+>/g, ' ')
    .replace(/\*\*|__/g, '');
}

/** Paragraphs, items of lists, headings and cells of tables are blocks; code blocks and HTML comments are left out. */
export function pageSentences(text: string): Sentence[] {
  const found: Sentence[] = [];
  let block: string[] = [];
  let start = 1;
  const end = () => {
    if (block.length > 0) found.push(...split(plain(block.join('\n')), start));
    block = [];
  };
  const hidden = text.replace(/<!--.*?-->/gs, (comment) => comment.replace(/[^\n]/g, ''));
  const without = hidden.replace(/^( *)```.*?^\1```$/gms, (code) => code.replace(/[^\n]/g, ''));
  for (const [i, line] of without.split('\n').entries()) {
    if (/^\s*\|/.test(line)) {
      end();
      const cells = plain(line.replace(/\\\|/g, '/')).split('|');
      found.push(...cells.flatMap((cell) => split(cell, i + 1)));
      continue;
    }
    if (/^\s*$|^#|^\s*([-*]|\d+\.) /.test(line)) end();
    if (block.length === 0) start = i + 1;
    if (line.trim() !== '') block.push(line.replace(/^#+ |^\s*([-*]|\d+\.) /, ''));
    if (line.startsWith('#')) end();
  }
  end();
  return found;
}

/** Texts of an SVG picture: its title, its description and each line of text. */
export function pictureSentences(text: string): Sentence[] {
  return [...text.matchAll(/<(title|desc|text)\b[^>]*>([^<]+)</g)].flatMap((match) =>
    split((match[2] ?? '').replace(/&\w+;/g, ' '), text.slice(0, match.index).split('\n').length),
  );
}

/** Comments behind `#`. Lines of comments in a row are one block; a commented line of configuration is none. */
export function commentSentences(text: string): Sentence[] {
  const found: Sentence[] = [];
  let block: string[] = [];
  let start = 1;
  const end = () => {
    if (block.length > 0) found.push(...split(plain(block.join('\n')), start));
    block = [];
  };
  for (const [i, line] of text.split('\n').entries()) {
    const comment = /(?:^|\s)#+(?: +(.*))?$/.exec(line)?.[1];
    const whole = /^\s*#/.test(line);
    if (!whole || comment === undefined || /^\s*[\w-]+: |^\s*[\w-]+:$|^ *(sluice|sh|sudo|ls) /.test(comment)) end();
    if (comment === undefined || /^\s*[\w-]+:( |$)|^ {2,}/.test(comment)) continue;
    if (block.length === 0) start = i + 1;
    block.push(comment);
    if (!whole) end();
  }
  end();
  return found;
}

/** Literals that begin so are statements of SQL and not messages. */
const SQL = /^\s*(select|insert|update|delete|create|drop|begin|commit|pragma|alter|attach|with|vacuum|replace|from|where)\b/i;

/** `'a b c'.split(' ')` is a list of words and no sentence. */
const isList = (node: ts.Node) =>
  ts.isStringLiteral(node) && ts.isPropertyAccessExpression(node.parent) && node.parent.name.text === 'split';

/**
 * Texts of three words or more in string literals and templates. Its limits: shorter texts are not seen, a message that is put
 * together from parts is seen part by part, and SQL is known by its first word. A semicolon ends a sentence here, because it
 * divides the fault from the remedy in a message.
 */
export function messageSentences(file: string, text: string): Sentence[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Sentence[] = [];
  const add = (node: ts.Node, literal: string) => {
    const words = literal.split(/\s+/).filter((word) => /^["'(]?\p{L}{2,}/u.test(word));
    if (words.length < 3 || SQL.test(literal)) return;
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    for (const paragraph of literal.split(/\n\s*\n|\n(?=[ \-#|$])/))
      found.push(...split(plain(paragraph), line, /(?<=[.?!।;]["”)*]*)\s+/));
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isTypeNode(node) || isList(node)) return;
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) add(node, node.text);
    if (ts.isTemplateExpression(node)) {
      add(node, node.head.text + node.templateSpans.map(({ literal }) => CODE + literal.text).join(''));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
